"""The prompts: work on Redis that takes several tools."""

from __future__ import annotations

from servers.common.protocol.prompts import Prompt

PROMPTS = (
    Prompt(
        name="diagnose_memory",
        title="Diagnose memory",
        description="Where Redis' memory goes, and what to do about it",
        arguments={"pattern": "only keys that match this glob"},
        steps=(
            "Find out where the memory of this Redis goes, and what would save most of it.",
            "1. redis_info: memory used, its peak, its limit and eviction policy, and the findings. "
            "2. redis_diagnose with topic memory: data against overhead, fragmentation, clients' buffers, and "
            "the doctor's advice. "
            "3. redis_profile: which prefixes have most of it, their types, and how many of their keys never expire. "
            "4. redis_scan with order memory: the biggest keys; redis_read_many without values for their encodings.",
            "Look only at keys that match {pattern}.",
            "Say in order of what it saves: what takes the memory, the evidence in numbers, and one concrete "
            "step for each. "
            "Numbers of a sample are estimates: say of how many keys. Change nothing.",
        ),
    ),
    Prompt(
        name="find_hot_or_big_keys",
        title="Find hot or big keys",
        description="Keys that are used too much, or are too big",
        arguments={"pattern": "only keys that match this glob"},
        steps=(
            "Find the keys of this Redis that are used most, and those that are too big for what is done with them.",
            "1. redis_info: is maxmemory-policy one of LFU? Then redis_read_many gives frequencies; else idle "
            "times have to do. "
            "2. redis_scan with order memory, then with order idle. 3. redis_diagnose with topic slowlog: "
            "commands that were slow, "
            "and on which keys. 4. redis_profile: groups with single huge keys.",
            "Look only at keys that match {pattern}.",
            "Give a table of key, type, size, elements, TTL, frequency or idle time, and why it is a risk; then "
            "what to change in the "
            "application: split, shorten, expire, or read in pages. Change nothing.",
        ),
    ),
    Prompt(
        name="explain_slow_log",
        title="Explain the slow log",
        description="Why commands were slow, and how to make them fast",
        arguments={},
        steps=(
            "Explain why commands of this Redis were slow.",
            "1. redis_diagnose with topic slowlog, then with topic latency. 2. For each command "
            "redis_command_docs: its complexity. "
            "3. For their keys redis_read_many without values: how big they are. 4. redis_info: load, forks for "
            "persistence, "
            "evictions, blocked clients.",
            "Group the entries by cause: commands whose cost grows with the key, keys that are too big, scripts, "
            "or pauses of the "
            "server itself. For each cause give the evidence and the smallest change that helps. Change nothing.",
        ),
    ),
    Prompt(
        name="design_data_model",
        title="Design a data model",
        description="Keys and types for what an application has to do",
        arguments={"application": "what it does: its entities, and how they are read and written"},
        steps=(
            "Design how an application keeps its data in this Redis.",
            "The application: {application}",
            "1. redis_info: version, memory, eviction policy, cluster or not. 2. redis_profile: naming and types "
            "that are in use "
            "already. 3. redis_indexes, where it is listed: search indexes that are there.",
            "Ask for what is missing: entities, access patterns, how often, how fresh, how long kept. Then give "
            "for each entity its "
            "key pattern, type, fields, TTL and an example; for each access the commands and their complexity; "
            "an estimate of "
            "memory; in a cluster the hash tags. Say what to avoid, and why. Change nothing.",
        ),
    ),
)
