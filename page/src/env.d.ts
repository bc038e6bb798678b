declare const __RUNTIME_BYTES__: number
declare const __RUNTIME_TRAVELS__: number
