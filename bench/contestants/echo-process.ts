import { fork } from 'node:child_process'
import { endProcess, nextMessage } from '../child.ts'
import type { RunningContestant } from './contestant.ts'

/**
 * Starts a script of this folder with the port of the broker and the QoS. It says `ready` once its
 * subscription stands.
 */
export async function startEcho(
  script: 'raw-echo' | 'mqttjs-echo',
  qos: 0 | 1,
  port: number,
  signal: AbortSignal,
): Promise<RunningContestant> {
  const child = fork(`${import.meta.dirname}/${script}.ts`, [String(port), String(qos)])
  try {
    await nextMessage(child, signal)
  } catch (error) {
    await endProcess(child)
    throw error
  }
  return { pid: child.pid ?? 0, [Symbol.asyncDispose]: () => endProcess(child) }
}
