/*
 * A build with --enable-meter-proof looks at every frame before it is evaluated and ends the
 * process when its code is not registered as metered. Too slow to ship; for running the tests
 * under. Programs of the tests link tests/functional/meter_proof_on.c for the same.
 */
#ifndef STINT_WORKER_METER_PROOF_H
#define STINT_WORKER_METER_PROOF_H

#define METER_PROOF_EXIT 99

/* Does nothing in other builds. */
void meter_proof_install(void);

#endif
