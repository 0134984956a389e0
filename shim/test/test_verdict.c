/*
 * test_verdict.c
 *	  No call of a failed group is answered with a result that did not happen,
 *	  and none is sent for ever.
 */
#include "test.h"

#include "verdict.h"

static void
kinds_of_sqlstates(void)
{
	static const struct
	{
		const char *code;
		AmSqlstateKind kind;
	} cases[] = {
		{"40001", AM_SQLSTATE_RETRY},
		{"40P01", AM_SQLSTATE_RETRY},
		{"55P03", AM_SQLSTATE_LOCKED},
		{"0A000", AM_SQLSTATE_STALE},
		{"26000", AM_SQLSTATE_STALE},
		{"57014", AM_SQLSTATE_UNAVAILABLE},
		{"57P01", AM_SQLSTATE_UNAVAILABLE},
		{"57P03", AM_SQLSTATE_UNAVAILABLE},
		{"08006", AM_SQLSTATE_UNAVAILABLE},
		{"53300", AM_SQLSTATE_UNAVAILABLE},
		{"MA001", AM_SQLSTATE_UNAVAILABLE},
		{"MA012", AM_SQLSTATE_FAULT},
		{"MA999", AM_SQLSTATE_FAULT},
		{"P0001", AM_SQLSTATE_FAULT},
		{"23505", AM_SQLSTATE_FAULT},
		{"XX000", AM_SQLSTATE_FAULT},
		{"", AM_SQLSTATE_FAULT},
		{"4000", AM_SQLSTATE_FAULT},
		{"400011", AM_SQLSTATE_FAULT},
	};

	for (size_t i = 0; i < LENGTH_OF(cases); i++)
	{
		test_case(cases[i].code);
		CHECK_INT(cases[i].kind, am_sqlstate_kind(cases[i].code));
	}
	CHECK_INT(AM_SQLSTATE_FAULT, am_sqlstate_kind(NULL));
}

static void
committed_batch(void)
{
	CHECK_INT(AM_VERDICT_ANSWER, am_call_verdict(AM_CALL_DONE, "", false, false, 1));
	CHECK_INT(AM_VERDICT_ANSWER, am_call_verdict(AM_CALL_DONE, "", false, true, 3));
	test_case("a Sync without a result is no answer");
	CHECK_INT(AM_VERDICT_FAULT, am_call_verdict(AM_CALL_WAITING, "", false, false, 1));
}

static void
failed_group(void)
{
	CHECK_INT(AM_VERDICT_AGAIN, am_call_verdict(AM_CALL_DONE, "", true, false, 1));
	CHECK_INT(AM_VERDICT_AGAIN, am_call_verdict(AM_CALL_ABORTED, "", true, false, 1));
	CHECK_INT(AM_VERDICT_AGAIN, am_call_verdict(AM_CALL_RAISED, "P0001", true, false, 1));
	CHECK_INT(AM_VERDICT_AGAIN, am_call_verdict(AM_CALL_RAISED, "40001", true, false, 1));
	CHECK_INT(AM_VERDICT_ASIDE, am_call_verdict(AM_CALL_RAISED, "55P03", true, false, 1));
	CHECK_INT(AM_VERDICT_UNAVAILABLE, am_call_verdict(AM_CALL_RAISED, "57014", true, false, 1));
	test_case("the commit failed");
	CHECK_INT(AM_VERDICT_AGAIN, am_call_verdict(AM_CALL_DONE, "40001", true, false, 1));
}

static void
failed_alone(void)
{
	CHECK_INT(AM_VERDICT_FAULT, am_call_verdict(AM_CALL_RAISED, "P0001", true, true, 1));
	CHECK_INT(AM_VERDICT_FAULT, am_call_verdict(AM_CALL_RAISED, "XX000", true, true, 2));
	CHECK_INT(AM_VERDICT_UNAVAILABLE, am_call_verdict(AM_CALL_RAISED, "53100", true, true, 1));
	test_case("the commit failed");
	CHECK_INT(AM_VERDICT_FAULT, am_call_verdict(AM_CALL_DONE, "P0001", true, true, 1));
	CHECK_INT(AM_VERDICT_AGAIN, am_call_verdict(AM_CALL_DONE, "40001", true, true, 1));
}

static void
tries_are_counted(void)
{
	static const char *const codes[] = {"40001", "40P01", "55P03"};

	for (size_t i = 0; i < LENGTH_OF(codes); i++)
	{
		test_case(codes[i]);
		for (int tries = 1; tries < AM_CALL_TRIES_MAX; tries++)
			CHECK(am_call_verdict(AM_CALL_RAISED, codes[i], true, true, tries) !=
				  AM_VERDICT_UNAVAILABLE);
		CHECK_INT(AM_VERDICT_UNAVAILABLE,
				  am_call_verdict(AM_CALL_RAISED, codes[i], true, true, AM_CALL_TRIES_MAX));
	}
	CHECK_INT(AM_VERDICT_FAULT,
			  am_call_verdict(AM_CALL_RAISED, "0A000", true, true, AM_CALL_TRIES_MAX));
}

int
main(void)
{
	TEST_RUN(kinds_of_sqlstates);
	TEST_RUN(committed_batch);
	TEST_RUN(failed_group);
	TEST_RUN(failed_alone);
	TEST_RUN(tries_are_counted);
	return test_end("shim verdict");
}
