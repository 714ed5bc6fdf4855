import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Machine } from '../../../../src/models/inspect/machine.ts'
import { parseWheelName, wheelFault } from '../../../../src/models/inspect/wheel-tags.ts'

const debian: Machine = {
  architecture: 'x86_64',
  system: 'linux',
  glibc: [2, 36],
  python: [3, 11],
}
const alpine: Machine = { architecture: 'x86_64', system: 'linux', python: [3, 11] }
const gateway: Machine = { ...debian, architecture: 'aarch64', glibc: [2, 28] }
const laptop: Machine = { architecture: 'aarch64', system: 'macos', python: [3, 12] }
const office: Machine = { architecture: 'x86_64', system: 'windows', python: [3, 11] }

const fits = (file: string, machine: Machine): boolean => {
  const wheel = parseWheelName(file)
  assert.ok(wheel, file)
  return wheelFault(wheel, machine) === undefined
}

test('knows which wheels pip would install', () => {
  const cases: readonly (readonly [string, Machine, boolean])[] = [
    ['six-1.16.0-py2.py3-none-any.whl', debian, true],
    ['numpy-1.24.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', debian, true],
    ['numpy-1.24.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', gateway, false],
    ['numpy-1.24.2-cp311-cp311-manylinux_2_17_x86_64.whl', alpine, false],
    ['numpy-1.24.2-cp311-cp311-musllinux_1_1_x86_64.whl', alpine, true],
    ['numpy-1.24.2-cp311-cp311-musllinux_1_1_x86_64.whl', debian, false],
    ['numpy-1.24.2-cp310-cp310-manylinux2014_x86_64.whl', debian, false],
    ['scikit_learn-1.7.0-cp311-cp311-manylinux_2_28_aarch64.whl', gateway, true],
    ['torch-2.9-cp311-cp311-manylinux_2_34_aarch64.whl', gateway, false],
    ['cryptography-42-cp39-abi3-manylinux_2_28_x86_64.whl', debian, true],
    ['cryptography-42-cp312-abi3-manylinux_2_28_x86_64.whl', debian, false],
    ['onnx-1.16-1-cp311-cp311-win_amd64.whl', debian, false],
    ['onnx-1.16-1-cp311-cp311-win_amd64.whl', office, true],
    ['onnx-1.16-cp312-cp312-macosx_11_0_universal2.whl', laptop, true],
    ['onnx-1.16-cp312-cp312-macosx_11_0_x86_64.whl', laptop, false],
    ['old-1-py27-none-any.whl', debian, false],
    ['local-1-cp311-cp311-linux_x86_64.whl', debian, true],
    ['pypy-1-pp39-pypy39_pp73-manylinux2014_x86_64.whl', debian, false],
  ]
  for (const [file, machine, expected] of cases) {
    assert.equal(fits(file, machine), expected, `${file} on ${JSON.stringify(machine)}`)
  }
})

test('says what is wrong in words', () => {
  const wheel = parseWheelName('numpy-1.24.2-cp39-cp39-manylinux2014_x86_64.whl')
  assert.ok(wheel)
  assert.equal(wheelFault(wheel, debian), 'is for Python cp39 (cp39), and this is 3.11')
  assert.equal(wheelFault(wheel, office), 'is for manylinux2014_x86_64')
})

test('asks for the platform alone when no interpreter is known', () => {
  const { python: _, ...machine } = debian
  assert.ok(fits('numpy-1.24.2-cp39-cp39-manylinux2014_x86_64.whl', machine))
})

test('refuses names that no wheel may have', () => {
  const many = Array.from({ length: 40 }, () => 'any').join('.')
  for (const file of ['x.whl', 'a-1-any.whl', 'a-1-b-c-d-e.whl', `a-1-py3-none-${many}.whl`]) {
    assert.equal(parseWheelName(file), undefined, file)
  }
})
