/*
 * load: sends jobs to a stintd over its Unix socket and prints how long their answers took.
 *
 * It opens nothing but that socket, the files it is told to read and the one it is told to write.
 * A run is bounded in time and in count. Errors before the run: one line, exit status 2; after it
 * see load_plan_usage().
 */
#include "bench/load_drive.h"
#include "bench/load_plan.h"
#include "bench/load_report.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
list_kinds(void)
{
	struct load_kinds kinds;
	struct error err = ERROR_INIT;

	if (load_kinds_init(&kinds, &err) < 0) {
		(void)fprintf(stderr, "load: %s\n", err.text);
		return 2;
	}
	for (size_t i = 0; i < kinds.count; i++)
		(void)printf("%-12s %s\n", kinds.kinds[i].name, kinds.kinds[i].status);
	load_kinds_deinit(&kinds);
	return 0;
}

static int
run_plan(const struct load_plan *plan, struct load_outcome *outcome)
{
	struct error err = ERROR_INIT;
	int code = load_drive_run(plan, outcome, &err);

	if (code < 0) {
		(void)fprintf(stderr, "load: %s\n", err.text);
		return 2;
	}
	load_report_table(stdout, plan, outcome);
	if (plan->json != NULL && load_report_write(plan->json, plan, outcome, &err) < 0) {
		(void)fprintf(stderr, "load: %s\n", err.text);
		return 2;
	}
	return load_drive_failed(plan, outcome) ? 1 : 0;
}

int
main(int argc, char **argv)
{
	struct load_outcome *outcome;
	struct load_plan *plan;
	struct error err = ERROR_INIT;
	int status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(load_plan_usage(), stdout);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--kinds") == 0)
		return list_kinds();
	(void)signal(SIGPIPE, SIG_IGN);
	plan = calloc(1, sizeof(*plan));
	outcome = calloc(1, sizeof(*outcome));
	if (plan == NULL || outcome == NULL) {
		perror("load");
		free(plan);
		free(outcome);
		return 2;
	}
	if (load_plan_parse(argc, argv, plan, &err) < 0) {
		(void)fprintf(stderr, "load: %s\n", err.text);
		status = 2;
	} else {
		status = run_plan(plan, outcome);
		load_drive_deinit(outcome);
		load_plan_deinit(plan);
	}
	free(outcome);
	free(plan);
	return status;
}
