/*
 * template.h
 *		Texts with placeholders, as mails are written.
 *
 *		{{name}}				the value; nothing when there is none
 *		{{#name}} ... {{/name}}	this part only when there is a value
 *		{{^name}} ... {{/name}}	this part only when there is none
 *
 * A name is 1 to AMC_TEMPLATE_NAME_BYTES_MAX of a-z and _, and a tag holds nothing else: no blanks,
 * no expressions. Parts do not nest. A value is text, never template: what stands in it is not
 * looked at for tags.
 */
#ifndef AMC_TEMPLATE_H
#define AMC_TEMPLATE_H

#include "core/span.h"

#define AMC_TEMPLATE_NAME_BYTES_MAX 31
#define AMC_TEMPLATE_NAMES_MAX      32 /* that one check may know: bits of a mask */
#define AMC_TEMPLATE_TAGS_MAX       64 /* so that what is rendered has a bound, too */

typedef enum amc_template_fault
{
	AMC_TEMPLATE_OK = 0,
	AMC_TEMPLATE_TAG,      /* "{{" that begins no tag */
	AMC_TEMPLATE_UNKNOWN,  /* a name that is none of those allowed */
	AMC_TEMPLATE_NESTED,   /* a part inside a part */
	AMC_TEMPLATE_UNOPENED, /* the end of a part that is not open */
	AMC_TEMPLATE_UNCLOSED, /* a part without its end */
	AMC_TEMPLATE_TAGS      /* more than AMC_TEMPLATE_TAGS_MAX tags */
} amc_template_fault;

typedef enum amc_template_form
{
	AMC_TEMPLATE_PLAIN, /* values as they are */
	AMC_TEMPLATE_HTML   /* & < > " ' of values escaped: good in text and in quoted attributes */
} amc_template_form;

typedef struct amc_template_value
{
	amc_span name;
	amc_span value; /* length 0 = there is none */
} amc_template_value;

/* amc_template_fault_text: short lower-case English phrase, a static string. */
extern const char *amc_template_fault_text(amc_template_fault fault);

/*
 * amc_template_check: is text a template whose names are all among the count names?
 *
 * *shown receives a bit for each name of which the value itself is shown ({{name}}); on a fault
 * *where receives the tag at fault, at most AMC_TEMPLATE_NAME_BYTES_MAX + 5 bytes of it.
 */
extern amc_template_fault amc_template_check(amc_span text, const amc_span *names, size_t count,
											 uint32_t *shown, amc_span *where);

/*
 * amc_template_render: writes the text with its values filled in.
 *
 * Returns the bytes of the whole result, of which the first size were written to out; out may be
 * NULL when size is 0. No terminator. Control characters in values, line ends among them, become
 * blanks: a value can neither add a header nor a line. A tag that amc_template_check would refuse
 * is left out.
 */
extern size_t amc_template_render(amc_span text, const amc_template_value *values, size_t count,
								  amc_template_form form, char *out, size_t size);

#endif /* AMC_TEMPLATE_H */
