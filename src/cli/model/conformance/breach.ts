/** What a program does otherwise than the protocol says, in words that go on after the check. */
export class Breach extends Error {
  override readonly name = 'Breach'
}
