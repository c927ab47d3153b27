"""The prompts: work on Elasticsearch that takes several tools."""

from servers.common.protocol.prompts import Prompt

PROMPTS = (
    Prompt(
        name="explore_index",
        tool="es_mapping",
        title="Explore an index",
        description="Find what an index holds, and which questions it can answer",
        arguments={"index": "its name"},
        steps=(
            "Find out what an index of this Elasticsearch holds, and which questions it can answer.",
            "The index is {index}.",
            "1. es_indices: which indices exist, and how big they are. 2. es_mapping: its fields and their types. 3. es_search "
            "with size 3: what documents look like. 4. es_field for the fields that matter most: values, ranges, missing values; "
            "for dates, the time that they cover.",
            "Say what a document stands for, and give a table of fields: meaning, type, examples, share missing. Then "
            "five questions that the data can answer; try each with es_search. Say which data looks doubtful.",
        ),
    ),
    Prompt(
        name="write_esql",
        tool="es_query",
        needs=lambda backend: bool(backend.has("esql")),
        title="Write an ES|QL query",
        description="Write and try an ES|QL query that answers a question",
        arguments={"question": "the question, in plain words", "index": "its name"},
        steps=(
            "Write an ES|QL query, and try it with es_query.",
            "The question: {question}",
            "The index is {index}.",
            "1. es_mapping: exact names and types of fields. 2. es_field for values that the query compares with. 3. The query, "
            "step by step: FROM, WHERE early, EVAL, STATS ... BY, SORT, LIMIT; KEEP only the fields that the question needs. Run "
            "it with es_query after each step, and fix what the error names.",
            "Give the query, its result, and what each line does.",
        ),
    ),
    Prompt(
        name="why_yellow",
        tool="es_health",
        title="Why is my cluster not green?",
        description="Find which shards are missing, why, and what to do",
        arguments={},
        steps=(
            "Find out why this Elasticsearch cluster is not green, and what to do about it.",
            "1. es_health: findings names causes, unassigned says why shards are not assigned, watermarks how full disks may be. "
            "2. es_health about pending_tasks, ilm and snapshots: what else fails. 3. es_request with /_cat/shards/INDEX, "
            "params h index,shard,prirep,state,unassigned.reason,node: which shards are not started. 4. es_request with POST "
            "/_cluster/allocation/explain for a shard that unassigned does not name.",
            "Say for each cause: which indices, whether data is missing (red) or only copies (yellow), the evidence, and the "
            "smallest change that fixes it, with its risk. Change nothing.",
        ),
    ),
    Prompt(
        name="tune_query",
        tool="es_explain",
        title="Tune a slow query",
        description="Find what makes a query slow, and a faster query with the same answer",
        arguments={"index": "its name", "query": "the query DSL clause, as JSON"},
        steps=(
            "Find out what makes a query of this Elasticsearch slow, and make a faster one that gives the same answer.",
            "The index is {index}.",
            "The query: {query}",
            "1. es_explain with profile, and with its aggs: which parts take the time, and what they do. 2. es_mapping: the "
            "types of its fields. Does the query have wildcards on text, ranges on keywords, scripts or deep nesting? 3. "
            "es_field: how many documents each clause matches. 4. es_request with /INDEX/_stats and /_nodes/stats: is the "
            "machine itself busy?",
            "Try changes one at a time with es_explain: clauses that need no score into filter, the rarest first, rounded "
            "dates, keyword instead of wildcard, fewer fields in source. Compare total and time. Give both queries, both "
            "times, and changes to the mapping that would help more. Change nothing.",
        ),
    ),
)
