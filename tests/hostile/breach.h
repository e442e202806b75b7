/*
 * The zygote of the assume-breach tests: stint-zygote's own objects, a builtin module `_rawsys`
 * that stands for exploit code, and layers that can be left out. Never installed.
 *
 * What is different is said by the name of the program's file, behind "zygote_breach": words parted
 * by '-', see breach_layers.c. Without a word it confines exactly as stint-zygote does.
 */
#ifndef STINT_TESTS_HOSTILE_BREACH_H
#define STINT_TESTS_HOSTILE_BREACH_H

#include <stdbool.h>

/* Descriptors that "keep" leaves open for the job; a production worker has closed both. */
#define BREACH_FD_PAGE    60
#define BREACH_FD_CHANNEL 10 /* below the lowest usual limit of open files */

/* Is the word part of the program's name? Reads /proc once, so first in the zygote's start. */
bool breach_has(const char *word);
/* Start of the page in this worker, NULL in the zygote. */
void *breach_page(void);
/* Adds `_rawsys`; before the interpreter starts. 0 or -1. */
int breach_rawsys_add(void);

#endif
