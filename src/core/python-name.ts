/** Whether a text is a name as Python's `import` has it: identifiers of any script between dots. */
export function isDottedPythonName(text: string): boolean {
  return /^[\p{ID_Start}_]\p{ID_Continue}*(?:\.[\p{ID_Start}_]\p{ID_Continue}*)*$/u.test(text)
}
