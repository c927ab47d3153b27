"""The prompts: work on Redis that takes several tools."""

from servers.common.protocol.prompts import Prompt

PROMPTS = (
    Prompt(
        name="diagnose_memory",
        tool="redis_info",
        title="Diagnose memory",
        description="Find what uses Redis' memory, and what would save most",
        arguments={"pattern": "only keys that match this glob"},
        steps=(
            "Find out what uses the memory of this Redis, and what would save most of it.",
            "1. redis_info: memory used, its peak, its limit and eviction policy, and the findings. "
            "2. redis_diagnose with topic memory: data against overhead, fragmentation, clients' buffers, and "
            "Redis' advice. "
            "3. redis_profile: which prefixes use most memory, their types, and how many of their keys never expire. "
            "4. redis_scan with order memory: the biggest keys; redis_read_many without values for their encodings.",
            "Look only at keys that match {pattern}.",
            "List what uses the memory, the largest saving first, with the evidence in numbers and one concrete "
            "step for each. Numbers from a sample are estimates: give the sample's size. Change nothing.",
        ),
    ),
    Prompt(
        name="find_hot_or_big_keys",
        tool="redis_scan",
        title="Find hot or big keys",
        description="Find keys that are used too often or are too big",
        arguments={"pattern": "only keys that match this glob"},
        steps=(
            "Find the keys of this Redis that are used most, and those that are too big for their use.",
            "1. redis_info: under an LFU maxmemory-policy redis_read_many gives frequencies; otherwise use idle times. "
            "2. redis_scan with order memory, then with order idle. 3. redis_diagnose with topic slowlog: "
            "commands that were slow, and on which keys. 4. redis_profile: groups with single huge keys.",
            "Look only at keys that match {pattern}.",
            "Give a table with key, type, size, elements, TTL, frequency or idle time, and the risk; then "
            "what to change in the application: split, shorten, expire, or read in pages. Change nothing.",
        ),
    ),
    Prompt(
        name="explain_slow_log",
        tool="redis_diagnose",
        title="Explain the slow log",
        description="Find why commands were slow, and how to make them fast",
        arguments={},
        steps=(
            "Explain why commands of this Redis were slow.",
            "1. redis_diagnose with topic slowlog, then with topic latency. "
            "2. redis_command_docs for each command: its complexity. "
            "3. redis_read_many without values for their keys: how big they are. 4. redis_info: load, forks for "
            "persistence, evictions, blocked clients.",
            "Group the entries by cause: commands whose cost grows with the key, keys that are too big, scripts, "
            "or pauses of the server itself. For each cause give the evidence and the smallest change that helps. "
            "Change nothing.",
        ),
    ),
    Prompt(
        name="design_data_model",
        tool="redis_profile",
        title="Design a data model",
        description="Choose keys and types for an application",
        arguments={"application": "what the application does: its entities, and how it reads and writes them"},
        steps=(
            "Design how an application should keep its data in this Redis.",
            "The application: {application}",
            "1. redis_info: version, memory, eviction policy, cluster or not. 2. redis_profile: the names and types in use. "
            "3. redis_indexes: existing search indexes.",
            "Ask for what is missing: entities, access patterns, how often, how fresh, how long kept. Then give "
            "for each entity its key pattern, type, fields, TTL and an example; for each access the commands and their "
            "complexity; an estimate of memory; in a cluster the hash tags. Say what to avoid, and why. Change nothing.",
        ),
    ),
)
