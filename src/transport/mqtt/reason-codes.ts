/** What a broker means by its reason codes, in words. */

/** Who gets the words: they name the client id and the version of MQTT where these are the matter. */
export interface ReasonContext {
  readonly clientId: string
  readonly protocol: string
}

/**
 * What a reason code says, of CONNACK in both versions and of every packet of MQTT 5 that carries
 * one (MQTT 5.0, 2.4; 3.1.1, 3.2.2.3). A code that neither knows is named by its number.
 */
export function reasonWords(code: number, context: ReasonContext): string {
  const words = reasons[code]
  if (words === undefined) {
    return `unknown reason code 0x${code.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return words.replace('{clientId}', context.clientId).replace('{protocol}', context.protocol)
}

/** What a PUBACK means for the result that it answers. */
export type PublishVerdict =
  /** The broker has it. */
  | 'published'
  /** Not now: the same result may be accepted later. */
  | 'again'
  /** Not this result, ever. */
  | 'refused'

/**
 * Judges the reason code of a PUBACK (MQTT 5.0, 3.4.2.1). Below 128 it is a success, whether
 * anybody subscribed or not; of the others some are about the state of the broker, not about the
 * result.
 */
export function publishVerdict(code: number): PublishVerdict {
  if (code < 128) return 'published'
  return passingCodes.has(code) ? 'again' : 'refused'
}

/** Unspecified, implementation specific, packet identifier in use, quota exceeded. */
const passingCodes: ReadonlySet<number> = new Set([128, 131, 145, 151])

const reasons: Readonly<Record<number, string>> = {
  0: 'it gave no reason',
  1: 'it does not speak MQTT {protocol}',
  2: 'it rejects the client id "{clientId}"',
  3: 'it is not available now',
  4: 'user name or password is wrong',
  5: 'not authorised',
  16: 'nobody has subscribed to it',
  17: 'there was no such subscription',
  128: 'it gave no reason',
  129: 'it could not parse what we sent',
  130: 'it saw a protocol error',
  131: 'a rule of its own forbids it',
  132: 'it does not speak MQTT {protocol}',
  133: 'it rejects the client id "{clientId}"',
  134: 'user name or password is wrong',
  135: 'not authorised',
  136: 'it is not available now',
  137: 'it is too busy',
  138: 'this client is banned',
  139: 'it is shutting down',
  140: 'it wants another way of authentication',
  141: 'it heard nothing from us within the keep-alive time',
  142: 'another client uses the client id "{clientId}"',
  143: 'it does not allow this topic filter',
  144: 'it does not allow this topic',
  145: 'the packet identifier is in use',
  146: 'it does not know the packet identifier',
  147: 'too many messages in flight',
  148: 'topic alias invalid',
  149: 'a packet was too large',
  150: 'too many messages',
  151: 'a quota is used up',
  152: 'its administrator ended it',
  153: 'it does not accept this payload',
  154: 'it does not keep messages (retain)',
  155: 'it does not support this quality of service',
  156: 'it asks to use another server',
  157: 'it has moved to another server',
  158: 'it does not support shared subscriptions',
  159: 'too many connections in a short time',
  160: 'the longest time for a connection is over',
  161: 'it does not support subscription identifiers',
  162: 'it does not support wildcards in topic filters',
}
