/*
 * How tenants share the cores while their jobs run. The kernel gives every process the same part:
 * one tenant's five jobs that compute would have five parts beside another's one. So jobs of a
 * tenant with more of them running, for its weight, than another has get a nice value that makes up
 * for it, up to the setting nice_max, once they have used nice_after of CPU time.
 *
 * It only rises: nobody of the service has the right to lower one.
 */
#ifndef STINT_DAEMON_NICE_H
#define STINT_DAEMON_NICE_H

struct engine;

/*
 * The nice value, 0 to `max`, of a job whose part by right is `part` where another's is `best`
 * (`part` <= `best`, both above 0; a part is its tenant's weight by the number of its running
 * jobs). One step of nice is a fifth less: each weighs 1/1.25 of the one before.
 */
unsigned nice_of(double part, double best, unsigned max);

/* Look at all running jobs, and have the zygote raise the nice values that are too low. */
void nice_run(struct engine *engine);

#endif
