/**
 * What can be said of a program before it is started. The system's own answers are poor: what is
 * missing may be the program or what runs it, and what is no program at all is given to a shell.
 */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs'
import { describeForeign, loaderOf, readElf } from './elf-header.ts'

/** As much of a file as is looked at: headers of a program, or the first line of a script. */
const headBytesMax = 4096

/** Why a program cannot be started, and what to do about it. */
export interface ProgramFault {
  /** Continues the name of the file, such as `is not executable`. */
  readonly text: string
  readonly fix: string
  /** It is sound, but what runs it is not here. */
  readonly interpreterMissing?: boolean
}

/** What is wrong with a program as far as its file tells; `undefined` when nothing is. */
export function faultOfProgram(
  file: string,
  machine: { readonly arch: string; readonly platform: string } = process,
): ProgramFault | undefined {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) {
    return { text: 'is not there', fix: 'Put the program into the package, or correct entry.' }
  }
  if (!stats.isFile()) return { text: 'is no file', fix: 'Let entry name the program itself.' }
  try {
    accessSync(file, constants.X_OK)
  } catch {
    return {
      text: 'is not executable',
      fix: `Run chmod +x ${file}, and pack it with a tool that keeps the bit, such as edgeboot model pack.`,
    }
  }
  const head = headOf(file)
  if (head === undefined) return undefined // executable and not readable: the system knows more
  if (head.toString('latin1', 0, 2) === '#!') return faultOfScript(head)
  const elf = readElf(head)
  if (machine.platform !== 'linux') return undefined
  if (elf === undefined) {
    return {
      text: `is no program that Linux knows${describeForeign(head)}`,
      fix: 'Build it for Linux, or begin a script with a line such as #!/usr/bin/env python3.',
    }
  }
  if (!elf.runsOn.includes(machine.arch)) {
    return {
      text: `is built for ${elf.machine}, and this machine is ${machine.arch}`,
      fix: `Build it for ${machine.arch}.`,
    }
  }
  const loader = loaderOf(head, elf)
  if (loader === undefined || existsSync(loader)) return undefined
  return {
    text: `needs the loader ${loader}, which is not on this machine`,
    fix: 'Link it statically, or against the C library of this system (glibc or musl).',
    interpreterMissing: true,
  }
}

function faultOfScript(head: Buffer): ProgramFault | undefined {
  const [line = ''] = head.toString('utf8', 2).split('\n', 1)
  const [interpreter = ''] = line.trim().split(/[ \t]/, 1)
  if (interpreter === '') {
    return { text: 'names no interpreter after #!', fix: 'Name one, such as #!/bin/sh.' }
  }
  if (line.endsWith('\r')) {
    return {
      text: 'ends its first line as Windows does, which becomes a part of the interpreter’s name',
      fix: 'Save it with line ends of Unix.',
    }
  }
  if (!interpreter.startsWith('/') || existsSync(interpreter)) return undefined
  return {
    text: `is a script for ${interpreter}, which is not on this machine`,
    fix: `Install ${interpreter}, or name another interpreter in the first line.`,
    interpreterMissing: true,
  }
}

function headOf(file: string): Buffer | undefined {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'r')
    const head = Buffer.alloc(headBytesMax)
    return head.subarray(0, readSync(descriptor, head, 0, headBytesMax, 0))
  } catch {
    return undefined
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
