/*
 * What extension modules and their libraries keep: relocated constants and writable data, as
 * private mappings of memory files. Of each page there that the zygote has written to itself a fork
 * copies the entry, and it makes and takes apart records of the mapping: two mappings of each of
 * some thirty objects, of which a job uses few. A file's mapping that nobody has written to costs
 * next to nothing.
 */
#ifndef STINT_WORKER_ZYGOTE_LIBRARIES_H
#define STINT_WORKER_ZYGOTE_LIBRARIES_H

/* Once, before anything is loaded: what is there now (the C library, the loader) each job uses; it
 * stays as it is. */
void zygote_libraries_begin(void);
/*
 * Once, when nothing more is to be allocated but for the workers, with one thread, no fork alive
 * and no call filtered: of each object that was loaded since, the constants behind its code and its
 * data are copied into a sealed memory file, which takes their place at the same addresses with the
 * same protection. Of how many objects. 0 is no error: an object that is laid out in another way,
 * or that there is no memory for, stays as it is. Where what was there is lost in the one call that
 * cannot be undone, the process ends with ZYGOTE_ARGS_EXIT_SETUP.
 */
unsigned zygote_libraries_settle(void);

#endif
