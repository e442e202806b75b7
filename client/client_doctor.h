/*
 * `stint doctor`: what this machine and this daemon have of what isolation needs.
 */
#ifndef STINT_CLIENT_CLIENT_DOCTOR_H
#define STINT_CLIENT_CLIENT_DOCTOR_H

#include "client/client_options.h"
#include "protocol/error.h"

/* Print the findings. 0: all is there that the level needs; 1: something is missing. A daemon that
 * does not answer is a finding, not an error. */
int client_doctor(const struct client_options *options, struct error *err);

#endif
