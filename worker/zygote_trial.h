/*
 * A job of the zygote's own, in a child that ends with it: shows what every job touches.
 */
#ifndef STINT_WORKER_ZYGOTE_TRIAL_H
#define STINT_WORKER_ZYGOTE_TRIAL_H

/* In the zygote, before it is confined. See zygote_touch_learn; cannot fail. */
void zygote_trial(void);

#endif
