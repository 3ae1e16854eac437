-- Cells of metrics of which a group has thousands of rows that differ in one column, thinking tokens, scores or milliseconds:
-- one row a group, with an array of these in order and arrays of what was summed up at their places. A question reads a
-- hundredth of the rows. What there is is taken over; flattened, since a migration that was cut off finds arrays already.
CREATE OR REPLACE TABLE ttr_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  tokens Array(Int64) CODEC(T64, LZ4),
  requests Array(UInt64) CODEC(T64, LZ4)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task) AS
SELECT c.step, c.time, c.build, c.project, c.quarter, c.environment, c.model, c.tier, c.provider, c.task, c.settled, c.weight,
  arraySort(groupArrayArray(arrayFlatten([c.tokens]))),
  arraySort((one, at) -> at, groupArrayArray(arrayFlatten([c.requests])), groupArrayArray(arrayFlatten([c.tokens])))
FROM ttr_cells AS c
GROUP BY c.step, c.time, c.build, c.project, c.task, c.quarter, c.environment, c.model, c.tier, c.provider, c.settled, c.weight
SETTINGS optimize_aggregation_in_order = 1;

CREATE OR REPLACE TABLE vrate_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  verifier LowCardinality(String),
  version LowCardinality(String),
  task LowCardinality(String),
  settled UInt8,
  weight Float64,
  passed Int8,
  is_correct Int8,
  label_probability Nullable(Float64),
  in_tier_1 UInt8,
  score Array(Float64) CODEC(LZ4),
  attempts Array(UInt64) CODEC(T64, LZ4),
  score_sum Array(Float64) CODEC(LZ4)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task) AS
SELECT c.step, c.time, c.build, c.project, c.quarter, c.environment, c.model, c.tier, c.provider, c.verifier, c.version, c.task, c.settled, c.weight, c.passed, c.is_correct, c.label_probability, c.in_tier_1,
  arraySort(groupArrayArray(arrayFlatten([c.score]))),
  arraySort((one, at) -> at, groupArrayArray(arrayFlatten([c.attempts])), groupArrayArray(arrayFlatten([c.score]))),
  arraySort((one, at) -> at, groupArrayArray(arrayFlatten([c.score_sum])), groupArrayArray(arrayFlatten([c.score])))
FROM vrate_cells AS c
GROUP BY c.step, c.time, c.build, c.project, c.task, c.quarter, c.environment, c.model, c.tier, c.provider, c.verifier, c.version, c.settled, c.weight, c.passed, c.is_correct, c.label_probability, c.in_tier_1
SETTINGS optimize_aggregation_in_order = 1;

CREATE OR REPLACE TABLE latency_cells (
  step UInt32, time DateTime('UTC') CODEC(Delta, ZSTD), build UInt64 CODEC(Delta, ZSTD), project LowCardinality(String),
  quarter DateTime('UTC') CODEC(Delta, ZSTD), environment LowCardinality(String), model LowCardinality(String),
  tier Nullable(UInt8), provider LowCardinality(String),
  until LowCardinality(String),
  measure_name LowCardinality(String),
  task LowCardinality(String),
  ms Array(Float64) CODEC(LZ4),
  weight Float64,
  calls Array(UInt64) CODEC(T64, LZ4)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (step, time, build, project, task) AS
SELECT c.step, c.time, c.build, c.project, c.quarter, c.environment, c.model, c.tier, c.provider, c.until, c.measure_name, c.task,
  arraySort(groupArrayArray(arrayFlatten([c.ms]))), c.weight,
  arraySort((one, at) -> at, groupArrayArray(arrayFlatten([c.calls])), groupArrayArray(arrayFlatten([c.ms])))
FROM latency_cells AS c
GROUP BY c.step, c.time, c.build, c.project, c.task, c.quarter, c.environment, c.model, c.tier, c.provider, c.until, c.measure_name, c.weight
SETTINGS optimize_aggregation_in_order = 1;
