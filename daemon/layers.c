/*
 * The judgement on a generation's layers. The facts come from those who put the layers up
 * (message.h), the needs from isolation.def; here they are compared, and what lacks is named.
 * Called by generation.c for each zygote that becomes ready. There is no fall-back: the caller does
 * not serve from a generation that is refused.
 */
#include "daemon/layers.h"

#include "protocol/base_log.h"

int
layers_check(enum isolation_level level, uint64_t layers, struct error *err)
{
	uint64_t missing = ISOLATION_ALL & ~layers, needed = missing & isolation_needed(level);
	unsigned count = 0;
	for (unsigned i = 0; i < ISOLATION_LAYER_COUNT; i++) {
		const struct isolation_row *row = &ISOLATION_LAYERS[i];
		uint64_t bit = UINT64_C(1) << i;
		count += (needed & bit) != 0;
		if (needed & bit)
			log_error("isolation", "layer %s is missing (%s): %s", row->name,
				  row->sentence, row->remedy);
		else if (missing & bit)
			log_warning("isolation", "isolation = %s: without layer %s (%s)",
				    isolation_level_name(level), row->name, row->sentence);
	}
	if (count == 0)
		return 0;
	return error_set(err, ERROR_UNSUPPORTED,
			 "isolation = %s needs %u more layer%s than this machine gives: see above",
			 isolation_level_name(level), count, count == 1 ? "" : "s");
}
