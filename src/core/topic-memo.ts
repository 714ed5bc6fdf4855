/** What is remembered at most; then it begins anew. */
const rememberedMax = 10_000

/** Longer topics are not remembered: 10,000 of the longest would take a gigabyte. */
const topicCharsMax = 512

/**
 * Remembers what was made of a topic and a device, because the same ones come again and again: a
 * look into two maps is cheaper than checking, quoting or rendering them for every message.
 */
export class TopicMemo<T> {
  readonly #make: (topic: string, device: string | undefined) => T
  readonly #known = new Map<string, Map<string | undefined, T>>()
  #size = 0

  /** @param make - Must always make the same of the same. */
  constructor(make: (topic: string, device: string | undefined) => T) {
    this.#make = make
  }

  of(topic: string, device: string | undefined): T {
    const ofTopic = this.#known.get(topic)
    const known = ofTopic?.get(device)
    // What is `undefined` itself is made again: nobody makes that of many messages.
    if (known !== undefined) return known
    return this.#learn(topic, device)
  }

  #learn(topic: string, device: string | undefined): T {
    const made = this.#make(topic, device)
    if (topic.length > topicCharsMax) return made
    if (this.#size >= rememberedMax) {
      this.#known.clear()
      this.#size = 0
    }
    const ofTopic = this.#known.get(topic)
    if (ofTopic === undefined) this.#known.set(topic, new Map([[device, made]]))
    else ofTopic.set(device, made)
    this.#size += 1
    return made
  }
}
