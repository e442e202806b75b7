/*
 * The life of a store_op's memory. Knows nothing of SQLite. Ends the process when there is none.
 */
#include "daemon/store_op.h"

#include <stdlib.h>
#include <string.h>

struct store_op *
store_op_new(enum store_kind kind, void (*done)(void *context, struct store_op *op), void *context)
{
	struct store_op *op = calloc(1, sizeof(*op));
	require(op != NULL);
	op->kind = kind;
	op->done = done;
	op->context = context;
	return op;
}

void
store_row_deinit(struct store_row *row)
{
	free(row->text);
	free(row->limits);
	free(row->program);
	row->text = row->limits = NULL;
	row->program = NULL;
	row->text_size = row->program_size = 0;
}

void
store_op_free(struct store_op **op)
{
	struct store_op *gone = *op;
	if (gone == NULL)
		return;
	*op = NULL;
	store_row_deinit(&gone->row);
	if (gone->result != NULL)
		run_result_deinit(gone->result);
	free(gone->result);
	for (size_t i = 0; i < gone->row_count; i++)
		store_row_deinit(&gone->rows[i]);
	free(gone->rows);
	free(gone);
}

size_t
store_op_weigh(struct store_op *op)
{
	op->bytes = sizeof(*op) + op->row.text_size + op->row.program_size;
	for (size_t i = 0; i < op->row_count; i++)
		op->bytes += sizeof(op->rows[i]) + op->rows[i].text_size + op->rows[i].program_size;
	if (op->result != NULL)
		op->bytes += sizeof(*op->result) + op->result->out.size + op->result->err.size +
			     op->result->value.size + op->result->vars.size +
			     op->result->trace.size;
	return op->bytes;
}
