/*
 * Test-only: the frame evaluation hook, on in whatever build. Linked into a zygote and into the
 * interpreter of CPython's tests, in place of the meter's own object that does nothing.
 */
#define STINT_METER_PROOF_ON 1
#include "worker/meter_proof.c"
