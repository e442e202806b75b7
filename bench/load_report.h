/*
 * The figures of a run as a table for people and as JSON for programs.
 */
#ifndef STINT_BENCH_LOAD_REPORT_H
#define STINT_BENCH_LOAD_REPORT_H

#include "bench/load_drive.h"

#include <stdio.h>

void load_report_table(FILE *file, const struct load_plan *plan,
		       const struct load_outcome *outcome);
int load_report_write(const char *path, const struct load_plan *plan,
		      const struct load_outcome *outcome, struct error *err);

#endif
