import type { DeathKind } from '../core/backoff.ts'
import type { Task } from './task.ts'

/**
 * A runner died with these events unanswered: makes them suspects in two groups, each of which is
 * tried by itself. One that was alone has one attempt less.
 */
export function accuse(left: readonly Task[], wasAlone: boolean): void {
  const middle = Math.ceil(left.length / 2)
  const halves = [{}, {}] as const
  left.forEach((task, i) => {
    if (wasAlone) task.attempts += 1
    task.company = i < middle ? halves[0] : halves[1]
  })
}

/** A death, as far as it is known when it happens. */
export interface DeathFacts {
  /** The batch was made of suspects. */
  readonly wasSuspect: boolean
  /** Suspects of another batch are not cleared yet. */
  readonly othersWait: boolean
  /** An event was given up with it. */
  readonly isBlamed: boolean
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

  judge({ wasSuspect, othersWait, isBlamed }: DeathFacts): DeathKind {
    const canAnswer = this.#answeredSinceDeath
    const isMessage = isBlamed && this.#answeredSinceVerdict
    this.#answeredSinceDeath = false
    if (isBlamed || !wasSuspect) this.#answeredSinceVerdict = false
    if (isMessage) return wasSuspect ? 'message' : 'trial'
    if (wasSuspect) return canAnswer ? 'trial' : 'more'
    return othersWait || this.isUnderWay ? 'more' : 'first'
  }
}
