/**
 * Runs the tests that want packages of PyPI: makes an environment with TensorFlow (2 GB) in the
 * temporary folder, runs them with it, and removes it.
 *
 *   node scripts/test-extra.ts [PYTHON]     default: python3, 3.10 or newer
 *
 * `EDGEBOOT_TEST_TENSORFLOW=PYTHON npm test FILE` runs them with an environment that is there.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const packages = ['tensorflow==2.21.0', 'ai-edge-litert==2.3.0']
const tests = ['test/process/runtime/tensorflow-models.test.ts']

function run(command: string, args: readonly string[], env = process.env): boolean {
  process.stdout.write(`${command} ${args.join(' ')}\n`)
  return spawnSync(command, args, { stdio: 'inherit', env }).status === 0
}

const folder = mkdtempSync(join(tmpdir(), 'edgeboot-extra-'))
const python = join(folder, 'bin', 'python')
try {
  const isDone =
    run(process.argv[2] ?? 'python3', ['-m', 'venv', folder]) &&
    run(python, ['-m', 'pip', 'install', '--quiet', ...packages]) &&
    run(process.execPath, [join(import.meta.dirname, 'test.ts'), ...tests], {
      ...process.env,
      EDGEBOOT_TEST_TENSORFLOW: python,
    })
  process.exitCode = isDone ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
