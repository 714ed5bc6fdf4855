/** What a model must answer to a sample. */
export type Expectation =
  /** A JSON value; integers that a number cannot hold are bigints. */
  | { readonly kind: 'result'; readonly value: unknown }
  /** `null`, `None`, `{}`: nothing to publish. */
  | { readonly kind: 'nothing' }
  /** An exception of this type. */
  | { readonly kind: 'error'; readonly type: string }
  /** Whatever it is, as long as it is no error: the sample is there to warm the model up. */
  | { readonly kind: 'anything' }

/** How far a number may be from the expected one: `absolute + relative × |expected|`. */
export interface Tolerance {
  readonly absolute: number
  readonly relative: number
}

/** An event with the answer that the author of a model vouches for. */
export interface ModelSample {
  /** For people: `tests/low.json`, `tests/low.json[3]`, with `"its name"` behind it when it has one. */
  readonly label: string
  /** The payload: JSON text. */
  readonly event: string
  /** Parts of `context` that the model is to see, such as `topic` and `device`. */
  readonly context: Readonly<Record<string, unknown>>
  readonly expected: Expectation
  readonly tolerance: Tolerance
}

/** What holds where a sample does not say. */
export const toleranceDefault: Tolerance = { absolute: 1e-6, relative: 1e-6 }
