/** Writes pieces of CEL. What is quoted here is text whatever it contains. */

/** Words that CEL does not take as a field name after a dot. */
const reservedWords: ReadonlySet<string> = new Set(
  (
    'as break const continue else false for function if import in let loop package namespace null ' +
    'return true var void while'
  ).split(' '),
)

/** A string literal. Lone surrogates stay as they are, since CEL takes them only unescaped. */
export function celString(text: string): string {
  return JSON.stringify(text).replaceAll(/\\u(d[89a-f][\da-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  )
}

/** A field of something: `.key` where that is a name, else `["key"]`. */
export function celPath(container: string, key: string): string {
  const isName = /^[A-Za-z_]\w*$/.test(key) && !reservedWords.has(key)
  return isName ? `${container}.${key}` : `${container}[${celString(key)}]`
}

/** The condition that `deviceName` of a device stands for. */
export function deviceCondition(deviceName: string): string {
  return `event.deviceInfo.deviceName == ${celString(deviceName)}`
}

/** The condition that `pointName` of a device stands for. */
export function pointCondition(pointName: string): string {
  return `${celString(pointName)} in event.telemetry`
}
