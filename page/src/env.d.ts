declare const __RUNTIME_BYTES__: number
declare const __RUNTIME_TRAVELS__: number
declare const __FULL_RUNTIME_BYTES__: number

declare module 'onnxruntime-web/wasm?full' {
  export * from 'onnxruntime-web/wasm'
}
