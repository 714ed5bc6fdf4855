import { randomBytes } from 'node:crypto'

/** Without those that people mistake for others. */
const letters = '0123456789abcdefghjkmnpqrstvwxyz'

const idChars = 8

/**
 * A short name for a dead letter, at random: eight digits and small letters, so that the first three
 * or four of them are enough to tell a letter from its neighbours.
 */
export function newLetterId(): string {
  return [...randomBytes(idChars)].map((byte) => letters[byte % letters.length]).join('')
}
