/**
 * What a command sees of the world outside: given to it, so that tests see what it prints and the
 * process is touched in `main.ts` alone.
 */
export interface CommandIo {
  /** Prints text as it is: commands end their lines themselves. */
  stdout(text: string): void
  stderr(text: string): void
  /** What standard output is shown on; absent when that is no terminal. */
  readonly terminal?: { readonly columns: number }
  /** All of standard input, or its first `bytesMax` bytes. */
  stdin?(bytesMax: number): Promise<Uint8Array>
  /** Asks for something that is not shown while it is typed; absent without a terminal to ask on. */
  askSecret?(question: string): Promise<string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder that file arguments are relative to. */
  readonly cwd: string
  /**
   * Sets the exit status with which the process will end; it does not end it. The highest one
   * wins. A command that cannot go on throws an `EdgebootError` instead, which has its own status.
   */
  exit(code: number): void
}

/** Where a configuration is looked for when none is named. */
export const defaultConfigFile = 'conf/config.yaml'
