/*
 * once.c
 *
 * Planner support for uid() and claims(): f() becomes (SELECT f()), which the executor evaluates
 * once an execution instead of once a row. A policy can then be written plainly, and its table can
 * be scanned by parallel workers: the leader evaluates the subselect and hands its value to them.
 *
 * Nothing is decided at planning but the form: the plan calls the function when it is run, so a
 * cached plan, generic or not, acts for whoever is bound then.
 *
 * A support function sees the call and the query that is being planned, not where in it the call
 * stands. Where a subselect could not be planned any more, the call is left as it is:
 *   - without a table to scan nothing is gained, and PL/pgSQL evaluates expressions of a query
 *     without FROM by itself, where a subselect has no plan to belong to;
 *   - with EXISTS at this level, the call may stand inside of it: the planner simplifies the EXISTS
 *     query before it has become a query level of its own, and would not look for subselects there;
 *   - once the relations of the query are being planned, expressions are simplified again (the
 *     branches of UNION ALL), and subselects are no longer looked for;
 *   - with GROUPING SETS the result depends on equal expressions staying equal.
 */
#include "compat.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "parser/parsetree.h"

PG_FUNCTION_INFO_V1(authmeter_once_support);

/* Tables that rows are read from; the target of INSERT is none. */
static bool
scans_table(const Query *query)
{
	int index;

	for (index = 1; index <= list_length(query->rtable); index++)
		if (rt_fetch(index, query->rtable)->rtekind == RTE_RELATION &&
			(query->commandType != CMD_INSERT || index != query->resultRelation))
			return true;
	return false;
}

/* Queries below are levels of their own. */
static bool
exists_walker(Node *node, void *context)
{
	if (node == NULL || IsA(node, Query))
		return false;
	if (IsA(node, SubLink) && ((SubLink *) node)->subLinkType == EXISTS_SUBLINK)
		return true;
	return expression_tree_walker(node, exists_walker, context);
}

static bool
holds_exists(PlannerInfo *root)
{
	return query_tree_walker(root->parse, exists_walker, NULL, QTW_IGNORE_RT_SUBQUERIES) ||
		   exists_walker((Node *) root->append_rel_list, NULL);
}

/* SELECT call */
static Query *
query_of(FuncExpr *call)
{
	Query *query = makeNode(Query);

	query->commandType = CMD_SELECT;
	query->querySource = QSRC_ORIGINAL;
	query->canSetTag = true;
	query->jointree = makeFromExpr(NIL, NULL);
	query->targetList = list_make1(makeTargetEntry((Expr *) copyObject(call), 1, "once", false));
	return query;
}

static Node *
once(PlannerInfo *root, FuncExpr *call)
{
	SubLink *link;

	if (root == NULL || root->simple_rel_array != NULL || root->parse->groupingSets != NIL ||
		!scans_table(root->parse) || holds_exists(root))
		return NULL;
	link = makeNode(SubLink);
	link->subLinkType = EXPR_SUBLINK;
	link->subselect = (Node *) query_of(call);
	link->location = call->location;
	/* Says that there is something to plan; read after all calls have been simplified. */
	root->parse->hasSubLinks = true;
	return (Node *) link;
}

/* authmeter.once_support(request) */
Datum
authmeter_once_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	Node *result = NULL;

	if (IsA(request, SupportRequestSimplify))
	{
		SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;

		result = once(simplify->root, simplify->fcall);
	}
	PG_RETURN_POINTER(result);
}
