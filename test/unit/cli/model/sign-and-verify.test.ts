import assert from 'node:assert/strict'
import { copyFile, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { addSignCommand } from '../../../../src/cli/model/sign.ts'
import { addVerifyCommand } from '../../../../src/cli/model/verify.ts'
import { Scratch } from '../../../support/scratch.ts'
import { runCommand, type CommandRun } from '../run-command.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures/minisign')

const sign = (scratch: Scratch, ...args: string[]): Promise<CommandRun> =>
  runCommand(addSignCommand, ['sign', ...args], { cwd: scratch.folder })
const verify = (scratch: Scratch, ...args: string[]): Promise<CommandRun> =>
  runCommand(addVerifyCommand, ['verify', ...args], { cwd: scratch.folder })

test('a package that was signed is proven by the public key, and by no other', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('thr.zip', 'a package')
  const made = await sign(scratch, '--generate-key', 'author')
  const line = /keys: \[(\S+)\]/.exec(made.stdout)?.[1] ?? ''
  assert.equal((await stat(scratch.path('author.key'))).mode & 0o077, 0, 'for its owner alone')
  await sign(scratch, 'thr.zip', '--key', 'author.key', '--comment', 'threshold 1.4.0, 阈值')
  for (const key of [line, 'author.pub']) {
    const { stdout } = await verify(scratch, 'thr.zip', '--public-key', key)
    assert.match(
      stdout,
      /the signature holds: key [0-9A-F]{16}, trusted comment: threshold 1\.4\.0, 阈值/,
    )
  }
  await sign(scratch, '--generate-key', 'other')
  await assert.rejects(verify(scratch, 'thr.zip', '--public-key', 'other.pub'), {
    code: 'MODEL_SIGNATURE_UNKNOWN_KEY',
  })
  await scratch.write('thr.zip', 'another package')
  await assert.rejects(verify(scratch, 'thr.zip', '--public-key', line), {
    code: 'MODEL_SIGNATURE_INVALID',
  })
})

test('what minisign signed is proven, and its key signs', async () => {
  await using scratch = await Scratch.make()
  for (const file of ['package.bin', 'author.key', 'author.pub', 'legacy.minisig']) {
    await copyFile(join(fixtures, file), scratch.path(file))
  }
  const key = ['--public-key', 'author.pub'] as const
  await verify(scratch, 'package.bin', ...key, '--signature', 'legacy.minisig')
  await sign(scratch, 'package.bin', '--key', 'author.key')
  const { stdout } = await verify(scratch, 'package.bin', ...key)
  assert.match(stdout, /key 9C6CA020C79CF6D6/)
})

test('a digest is enough, and has to hold', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('thr.zip', '')
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  const { stdout } = await verify(scratch, 'thr.zip', '--sha256', empty)
  assert.match(stdout, /the digest is the one that was asked for/)
  await assert.rejects(verify(scratch, 'thr.zip', '--sha256', 'ab'.repeat(32)), {
    code: 'MODEL_DIGEST_MISMATCH',
  })
  await assert.rejects(verify(scratch, 'thr.zip', '--sha256', 'ab'), { code: 'CLI_USAGE' })
})

test('says what is missing: a signature, something to verify with, the zip', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('thr.zip', 'a package')
  await scratch.write('folder/index.py')
  await sign(scratch, '--generate-key', 'author')
  await assert.rejects(verify(scratch, 'thr.zip', '--public-key', 'author.pub'), {
    code: 'MODEL_SIGNATURE_MISSING',
  })
  await assert.rejects(verify(scratch, 'thr.zip'), { message: /nothing to verify it with/ })
  await assert.rejects(verify(scratch, 'folder'), { message: /a folder, which cannot be proven/ })
  await assert.rejects(verify(scratch, 'none.zip'), { message: /there is no none\.zip/ })
  await assert.rejects(verify(scratch, 'thr.zip', '--public-key', 'thr.zip'), {
    message: /a file without a public key/,
  })
})

test('overwrites no key, and signs with none that is not one', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('thr.zip', 'a package')
  await sign(scratch, '--generate-key', 'author')
  const before = await readFile(scratch.path('author.key'), 'utf8')
  await assert.rejects(sign(scratch, '--generate-key', 'author'), { message: /is there already/ })
  assert.equal(await readFile(scratch.path('author.key'), 'utf8'), before)
  await assert.rejects(sign(scratch, 'thr.zip', '--key', 'author.pub'), {
    code: 'MODEL_KEY_INVALID',
  })
  await assert.rejects(sign(scratch, 'thr.zip'), { message: /no key is named/ })
  await assert.rejects(sign(scratch, 'none.zip', '--key', 'author.key'), {
    message: /there is no none\.zip/,
  })
})

test('asks for the password of a key only where it can, and says how else', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('thr.zip', 'a package')
  await copyFile(join(fixtures, 'protected.key'), scratch.path('protected.key'))
  await assert.rejects(sign(scratch, 'thr.zip', '--key', 'protected.key'), {
    message: /protected by a password, and there is no terminal/,
    fix: /--password-file FILE, or EDGEBOOT_KEY_PASSWORD/,
  })
})
