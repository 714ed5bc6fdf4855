import assert from 'node:assert/strict'
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { faultOfProgram } from '../../../../src/runtime/exec/program-file.ts'
import { Scratch } from '../../../support/scratch.ts'

const here = { platform: 'linux', arch: 'x64' }

/** What is said of a file with these bytes. */
async function faultOf(bytes: Uint8Array | string, mode = 0o755): Promise<string> {
  await using scratch = await Scratch.make()
  const file = join(scratch.folder, 'model')
  await writeFile(file, bytes)
  await chmod(file, mode)
  return faultOfProgram(file, here)?.text ?? 'nothing'
}

/** A header of ELF, 64 bits, little endian, with one segment that names a loader. */
function elf(machine: number, loader: string): Buffer {
  const bytes = Buffer.alloc(256)
  bytes.write('\u007fELF', 'latin1')
  bytes.set([2, 1, 1], 4)
  bytes.writeUInt16LE(machine, 18)
  bytes.writeUInt32LE(64, 32)
  bytes.writeUInt16LE(56, 54)
  bytes.writeUInt16LE(1, 56)
  bytes.writeUInt32LE(3, 64)
  bytes.writeUInt32LE(120, 72)
  bytes.writeUInt32LE(loader.length + 1, 96)
  bytes.write(loader, 120)
  return bytes
}

test('finds nothing wrong with the program that runs this test', async () => {
  await using scratch = await Scratch.make()
  const copy = join(scratch.folder, 'node')
  await copyFile('/bin/sh', copy)
  assert.equal(faultOfProgram('/bin/sh'), undefined)
  assert.equal(faultOfProgram(copy), undefined)
  assert.ok((await readFile(copy)).length > 0)
})

test('asks for the bit that makes a file a program', async () => {
  assert.equal(await faultOf('#!/bin/sh\n', 0o644), 'is not executable')
})

test('names the machine that a program is built for', async () => {
  const text = await faultOf(elf(183, '/lib/ld-linux-aarch64.so.1'))
  assert.equal(text, 'is built for ARM 64 (aarch64), and this machine is x64')
  assert.match(await faultOf(elf(9999, '/lib/ld.so')), /a machine of ELF number 9999/)
})

test('names the loader that is missing', async () => {
  const text = await faultOf(elf(62, '/lib/ld-musl-nowhere.so.1'))
  assert.equal(text, 'needs the loader /lib/ld-musl-nowhere.so.1, which is not on this machine')
})

test('names the interpreter of a script that is missing', async () => {
  const text = await faultOf('#!/opt/nowhere/python3 -u\n')
  assert.equal(text, 'is a script for /opt/nowhere/python3, which is not on this machine')
  assert.equal(await faultOf('#!/bin/sh -e\n'), 'nothing')
  assert.match(await faultOf('#!/bin/sh\r\nexit\r\n'), /ends its first line as Windows does/)
  assert.match(await faultOf('#!\n'), /names no interpreter/)
})

test('says what a file is that is no program, and never gives it to a shell', async () => {
  assert.match(await faultOf('echo surprise\n'), /neither with an ELF header nor with #!/)
  assert.match(await faultOf(''), /it is empty/)
  assert.match(await faultOf('MZ\u0090'), /for Windows/)
  assert.match(await faultOf(Buffer.from('cffaedfe07000001', 'hex')), /for macOS/)
  assert.match(await faultOf(Buffer.from('0061736d01000000', 'hex')), /runtime: wasm/)
  assert.match(await faultOf(elf(62, '/lib/x').subarray(0, 30)), /cut short/)
})

test('tells a folder and nothing from a program', async () => {
  await using scratch = await Scratch.make()
  assert.equal(faultOfProgram(scratch.folder)?.text, 'is no file')
  assert.equal(faultOfProgram(join(scratch.folder, 'none'))?.text, 'is not there')
})

test('survives a header whose offsets lead nowhere', async () => {
  const bytes = elf(62, '/lib/x')
  bytes.writeUInt32LE(0xffff_fff0, 32)
  assert.equal(await faultOf(bytes), 'nothing')
})
