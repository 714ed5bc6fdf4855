/** Limits that hold everywhere. Each has a unit in its name; those a user may change are defaults. */
export const limits = {
  /** One MQTT payload. A larger one is counted as `decode` and never parsed. */
  payloadBytesMax: 8 * 1024 * 1024,
  /** Nesting of a JSON payload. Python's own parser stops near 1,000, JavaScript's does not. */
  jsonDepthMax: 256,
  /** One frame between a host and a runner. */
  frameBytesMax: 64 * 1024 * 1024,
  /** Events waiting in a pipeline, when the configuration does not say. pyboot's own number. */
  queueItemsDefault: 1000,
  /** Bytes of payload waiting in a pipeline. */
  queueBytesMax: 64 * 1024 * 1024,
  /** Events in one batch to a runner, when the configuration does not say. */
  batchItemsDefault: 64,
  /** Bytes of payload in one batch to a runner; one larger event travels alone. */
  batchBytesMax: 1024 * 1024,
  /** Batches under way in one runner: the second hides the way there and back. */
  runnerBatchesMax: 2,
  /** Loading a model may import half of SciPy from a slow card. */
  runnerStartMs: 120_000,
  /** One event in a model, when the configuration does not say. */
  eventMs: 10_000,
  /** A line that a model printed; what is longer is cut. */
  printedLineCharsMax: 4096,
  /** Lines that a runner may print per second; more are counted, not kept. */
  printedLinesPerSecond: 100,
  /** Ordered stop: one starter. */
  starterStopMs: 25_000,
  /** Ordered stop: what is in flight in a pipeline. */
  drainMs: 20_000,
} as const
