/** `edgeboot chaos` as a user runs it: thirty seconds, with a real Mosquitto, in every run of the tests. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { ChaosReport } from '../../src/cli/chaos/report.ts'
import { EdgebootProcess } from '../support/edgeboot-process.ts'
import { needsMosquitto } from '../support/mosquitto.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { Scratch } from '../support/scratch.ts'

const run = async (
  args: readonly string[],
): Promise<{ status: number | null; out: string; err: string }> => {
  const edgeboot = EdgebootProcess.command(['chaos', ...args])
  const status = await edgeboot.exited
  return { status, out: edgeboot.stdout, err: edgeboot.stderr }
}

const options = { timeout: 240_000 }

describe('edgeboot chaos', { skip: needsMosquitto }, () => {
  test(
    'thirty seconds in which everything breaks: nothing is lost, nothing out of order',
    {
      ...options,
      skip: needsPython,
    },
    async (context) => {
      const args = '--seconds 30 --rate 250 --kills 12 --seed 20261128 --json'
      const { status, out, err } = await run(args.split(' '))
      context.diagnostic(out.replaceAll(/\s+/g, ' '))
      assert.equal(status, 0, err + out)
      const report = JSON.parse(out) as ChaosReport
      assert.equal(report.messages, 7500)
      assert.deepEqual([report.lost, report.inversions, report.violations], [0, 0, []])
      const kills = Object.entries(report.faults).filter(([fault]) => fault.startsWith('kill'))
      assert.deepEqual(kills.map(([fault]) => fault).toSorted(), [
        'kill broker',
        'kill host',
        'kill main',
        'kill runner',
      ])
      assert.equal(
        kills.reduce((sum, [, times]) => sum + times, 0),
        12,
      )
      for (const account of report.accounts) {
        const { sent, delivered, deadLettered, dropped } = account
        const drops = Object.values(dropped).reduce((sum, count) => sum + count, 0)
        assert.equal(sent, 7500)
        assert.equal(sent, delivered + deadLettered + drops)
        // 30 are no JSON, and of 15 that are poison most are given up.
        assert.ok(deadLettered >= 30, `${deadLettered} dead letters`)
      }
    },
  )

  test('what is lost is found and named: status 5', options, async () => {
    await using scratch = await Scratch.make()
    // A broker that silently drops what waits for a host that was killed, as a stock one does.
    const forgetful = await scratch.write(
      'mosquitto',
      `#!/bin/sh\nsed -i -e 's/^max_queued_messages.*/max_queued_messages 1/' \\\n` +
        `  -e 's/^max_queued_bytes.*/max_queued_bytes 0/' "$2"\nexec /usr/sbin/mosquitto "$@"\n`,
    )
    await chmod(forgetful, 0o755)
    const file = await scratch.write(
      'config.yaml',
      `mqtts: [{ name: plant, broker: 'tcp://127.0.0.1:1' }]\n` +
        `rules:\n  - { name: r, sub: { name: plant, topic: in/+ }, pub: { name: plant, topic: out } }\n` +
        `funcs: [{ modelName: m }]\nmodels: { folder: models }\n`,
    )
    await scratch.write('models/m/index.ts', 'export const handler = (event) => event\n')
    const faults = '--seconds 5 --rate 200 --faults kill --victims host --kills 2 --seed 1'
    const args = ['--config', file, '--mosquitto', forgetful, ...faults.split(' ')]
    const { status, out, err } = await run(args)
    assert.equal(status, 5, err + out)
    assert.match(out, /\+ LOST [1-9]\d*\n/)
    assert.match(out, /lost, for example: chaos-\d\/\d+/)
    assert.match(err, /CLI_CHAOS_LOSS/)
    assert.match(err, /Repeat it with --seed 1 --keep/)
    const [, kept] = /are in (\S+)/.exec(err) ?? []
    assert.ok(kept !== undefined && existsSync(`${kept}/edgeboot.log`))
    await rm(kept, { recursive: true })
  })

  test('a configuration with a mistake, and one that no message fits, are told as such', async () => {
    await using scratch = await Scratch.make()
    const bad = await scratch.write('bad.yaml', 'mqtts: []\nrules: []\nfuncs: []\nfnucs: []\n')
    const mistake = await run(['--config', bad])
    assert.equal(mistake.status, 3)
    assert.match(mistake.err, /fnucs.*funcs/s)
    const picky = await scratch.write(
      'picky.yaml',
      `mqtts: [{ name: plant, broker: 'tcp://127.0.0.1:1' }]\n` +
        `rules:\n  - { name: r, sub: { name: plant, topic: in/+ }, pub: { name: plant, topic: out } }\n` +
        `funcs: [{ modelName: m, when: 'event.colour == "red"' }]\n`,
    )
    const unfit = await run(['--config', picky])
    assert.equal(unfit.status, 1)
    assert.match(unfit.err, /no message of the run fits func m of rule r.*--sample/s)
    assert.match(unfit.err, /CLI_CHAOS_NO_EVENT/)
    assert.doesNotMatch(unfit.err, /are in/)
  })

  test('options that make no sense are refused before anything starts', async () => {
    for (const [args, expected] of [
      [['--faults', 'flood'], /Choose from kill, stop/],
      [['--mosquitto', '/nowhere/mosquitto'], /CLI_MOSQUITTO_MISSING/],
      [['--sample', '/nowhere.json'], /holds no events.*ENOENT/s],
    ] as const) {
      const { status, err } = await run(args)
      assert.notEqual(status, 0)
      assert.match(err, expected)
    }
  })
})
