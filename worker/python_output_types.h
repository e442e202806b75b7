/*
 * The two Python types of the output streams and the state behind the two streams of the process.
 * Inside worker/python_output*.c only. The GIL is held.
 */
#ifndef STINT_WORKER_PYTHON_OUTPUT_TYPES_H
#define STINT_WORKER_PYTHON_OUTPUT_TYPES_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "worker/python_output_stage.h"

#include <stdbool.h>

/* One of stdout and stderr. Lives as long as the process. */
struct output_stream {
	struct output_stage stage;
	PyObject *raw;  /* owned: the FileIO below both objects, kept to see whether it is closed */
	PyObject *text; /* owned: the object on top; NULL: it is not made yet */
	PyObject *buffer; /* owned until the stream is bound; then the text object's, as long as
			     that is bound: a program may detach it, and destroy it */
	PyObject *encode; /* owned: an incremental encoder's encode method; NULL when `plain` */
	PyObject *errors; /* owned: str, name of the error handler */
	PyObject *write;  /* owned: the text object's bound write, ready made for print() */
	uint64_t write_version; /* of the text object's __dict__ when it had no "write" in it */
	char newline[3];        /* what '\n' becomes; empty: stays */
	bool plain;             /* UTF-8 and no newline translation: encoded here */
	bool line_buffering, write_through;
	bool live; /* the buffer object still writes to the stage */
};

/*
 * A type made from one of _io's: the base's storage with one pointer behind it, and the base's
 * methods where ours hand over to them.
 */
struct output_type {
	PyTypeObject *base;     /* owned */
	PyTypeObject *type;     /* owned */
	Py_ssize_t slot_offset; /* of our pointer in an object */
};

/* Make the types; 0 or -1 with an exception. Idempotent. */
int python_output_types_prepare(void);
/* Call the base's method on self; args and kwargs may be NULL. New reference or NULL. */
PyObject *python_output_types_base_call(const struct output_type *type, const char *name,
					PyObject *self, PyObject *args, PyObject *kwargs);
/* NULL with the OSError for a negative errno. */
PyObject *python_output_types_fail(int rc);

/* The start of _io.FileIO's storage in CPython 3.11. */
struct output_file_io {
	PyObject_HEAD int fd; /* -1 when closed */
};

/* The stream that an object of one of our types writes for, or NULL: set by the installer only. */
static inline struct output_stream *
python_output_types_stream(const struct output_type *type, PyObject *self)
{
	return *(struct output_stream **)(void *)((char *)self + type->slot_offset);
}

static inline void
python_output_types_bind(const struct output_type *type, PyObject *self,
			 struct output_stream *stream)
{
	*(struct output_stream **)(void *)((char *)self + type->slot_offset) = stream;
}

/* Does the FileIO have the shape that usable() looks into? */
static inline bool
python_output_types_raw_known(PyObject *raw, int fd)
{
	return Py_TYPE(raw)->tp_basicsize >= (Py_ssize_t)sizeof(struct output_file_io) &&
	       ((struct output_file_io *)(void *)raw)->fd == fd;
}

/* Neither closed nor detached: the stage takes the bytes. */
static inline bool
python_output_types_usable(const struct output_stream *stream)
{
	return stream && stream->live && ((struct output_file_io *)(void *)stream->raw)->fd >= 0;
}

extern struct output_type python_output_buffer_type; /* io.BufferedWriter's */
extern struct output_type python_output_text_type;   /* io.TextIOWrapper's */
extern PyObject *python_output_file_type;            /* owned: io.FileIO */
extern PyType_Spec python_output_buffer_spec;
extern PyType_Spec python_output_text_spec;

/* Make and keep the bound write of a text object that is bound already. 0 or -1 with an exception.
 */
int python_output_text_keep_write(struct output_stream *stream, PyObject *self);
/* Nobody has put anything into the text object, or taken it out, since that write was kept. */
bool python_output_text_is_unchanged(const struct output_stream *stream);
/* Encoding, error handler and flags of a text object that is bound: read them from the object. */
int python_output_text_refresh(struct output_stream *stream, PyObject *self);

#endif
