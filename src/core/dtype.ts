/** Element types of tensors, by the names that numpy and ONNX share. */
export const dtypes = [
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'float16',
  'float32',
  'float64',
  'string',
] as const

/** One of {@link dtypes}. */
export type DType = (typeof dtypes)[number]
