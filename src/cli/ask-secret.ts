import { EdgebootError } from '../core/errors.ts'

/** Longest secret that is taken, characters. */
const secretMax = 1024

/**
 * Asks on a terminal for something that is not shown while it is typed. Ctrl-C and Ctrl-D give up.
 *
 * @throws EdgebootError `CLI_USAGE` for one who gives up.
 */
export async function askSecret(
  question: string,
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
): Promise<string> {
  output.write(question)
  input.setRawMode(true)
  let secret = ''
  try {
    for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') return secret
        if (character === '\u0003' || character === '\u0004') {
          throw new EdgebootError('CLI_USAGE', 'no password was given', { fix: 'Run it again.' })
        }
        if (character === '\u007f' || character === '\b') secret = secret.slice(0, -1)
        else if (secret.length < secretMax) secret += character
      }
    }
    return secret
  } finally {
    input.setRawMode(false)
    output.write('\n')
  }
}
