declare const __RUNTIME_BYTES__: number
