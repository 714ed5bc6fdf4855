import type { DeathKind } from '../core/backoff.ts'
import type { Task } from './task.ts'

/** A death, as far as it is known when it happens. */
export interface DeathFacts {
  /** The batch was made of suspects. */
  readonly wasSuspect: boolean
  /** Suspects of another batch are not cleared yet. */
  readonly othersWait: boolean
  /** An event was given up with it. */
  readonly isBlamed: boolean
  /** It is known on which event the runner was. */
  readonly isKnown?: boolean
  /** Others were answered before it; for who has not called {@link Trials.answered} meanwhile. */
  readonly hasAnswered?: boolean
}

/**
 * Tells deaths that speak against the model from those that speak against a message, by what was
 * answered between them: a model that answers nothing is ill, whatever the message.
 */
export class Trials {
  #underWay = 0
  /** Since the last death. */
  #answeredSinceDeath = false
  /** Since the first death of this trial, or since the last event was given up. */
  #answeredSinceVerdict = false

  /** Suspects are in a runner. */
  get isUnderWay(): boolean {
    return this.#underWay > 0
  }

  sent(batch: readonly Task[]): void {
    if (batch[0]?.company !== undefined) this.#underWay += 1
  }

  /** Call while the events still are what they were when sent. */
  ended(batch: readonly Task[]): void {
    if (batch[0]?.company !== undefined) this.#underWay -= 1
  }

  /** An event was answered, whatever the answer: the model can. */
  answered(): void {
    this.#answeredSinceDeath = true
    this.#answeredSinceVerdict = true
  }

  judge({ wasSuspect, othersWait, isBlamed, isKnown, hasAnswered }: DeathFacts): DeathKind {
    if (hasAnswered === true) this.answered()
    const canAnswer = this.#answeredSinceDeath
    const isMessage = isBlamed && this.#answeredSinceVerdict
    this.#answeredSinceDeath = false
    if (isBlamed || !wasSuspect) this.#answeredSinceVerdict = false
    if (isMessage) return wasSuspect ? 'message' : 'trial'
    // The search ends after so many deaths, whatever the model: only its verdict may speak against it.
    if (wasSuspect) return canAnswer || !isBlamed ? 'trial' : 'more'
    if (!othersWait && !this.isUnderWay) return 'first'
    // While others are suspect: what is known to have died of its own event tells nothing of those.
    return isKnown === true && canAnswer ? 'trial' : 'more'
  }
}
