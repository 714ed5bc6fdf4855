/** What is known of an error by its code alone. */
export interface ErrorEntry {
  /** Exit status of a command that ends with it: 1 failure, 2 usage, 3 configuration, 4 cannot connect. */
  readonly exit: 1 | 2 | 3 | 4 | 5
  /** Whether the same attempt may succeed later without anyone changing anything. */
  readonly retryable: boolean
  /** What to do, in a sentence. */
  readonly fix: string
}
