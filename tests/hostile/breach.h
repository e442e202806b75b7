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
/* Where the room for compiled code was mapped in this worker; NULL: it was not asked for any. */
void *breach_room(void);
/* In a worker, before its steps: without the control groups that are left out (v1). */
struct sandbox;
void breach_leave_groups(struct sandbox *sandbox);
/* In the zygote, before a clone3: the same of the unified tree. */
struct clone_args;
void breach_stay_at_birth(struct clone_args *args);
/* Adds `_rawsys`; before the interpreter starts. 0 or -1. */
int breach_rawsys_add(void);

#endif
