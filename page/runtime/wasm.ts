/** 改写 WebAssembly：一个函数一段字节，换掉哪个都不动别的编号。 */
const GLOBAL = 6, EXPORT = 7, CODE = 10 // 各段的编号
const STUB = Uint8Array.of(3, 0, 0, 0x0b) // 长 3：没有局部变量，unreachable，end

class Reader {
  constructor(private readonly bytes: Uint8Array, public at = 0) {}

  byte = () => this.bytes[this.at++]!

  number(): number {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
}

function leb(value: number): Uint8Array {
  const bytes = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Uint8Array.of(...bytes, value)
}

const join = (parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const sized = (bytes: Uint8Array) => join([leb(bytes.length), bytes])

function sections(wasm: Uint8Array) {
  const read = new Reader(wasm, 8), found = []
  while (read.at < wasm.length) {
    const id = read.byte(), size = read.number()
    found.push({ id, body: wasm.subarray(read.at, (read.at += size)) })
  }
  return found
}

const section = (wasm: Uint8Array, id: number) => sections(wasm).find(one => one.id === id)!.body

const rebuilt = (wasm: Uint8Array, changed: Record<number, Uint8Array>) =>
  join([wasm.subarray(0, 8), ...sections(wasm).flatMap(({ id, body }) => [Uint8Array.of(id), sized(changed[id] ?? body)])])

function bodies(wasm: Uint8Array) {
  const code = section(wasm, CODE), read = new Reader(code)
  return Array.from({ length: read.number() }, () => {
    const size = read.number()
    return code.subarray(read.at, (read.at += size))
  })
}

/** 没用到的函数，换成一跑就停（unreachable）的空壳。 */
export function reduced(wasm: Uint8Array, used: (k: number) => boolean): Uint8Array {
  const found = bodies(wasm)
  return rebuilt(wasm, { [CODE]: join([leb(found.length), ...found.map((body, k) => used(k) ? sized(body) : STUB)]) })
}

/** 每个函数跑过一次，就把自己的那个全局变量（f0、f1……，见 ran）写成 1。 */
export function marked(wasm: Uint8Array): Uint8Array {
  const found = bodies(wasm)
  const first = new Reader(section(wasm, GLOBAL)).number() // 没有引进来的全局变量，编号从 0 起
  const more = (id: number, added: Uint8Array[]) => {
    const body = section(wasm, id), read = new Reader(body)
    return { [id]: join([leb(read.number() + added.length), body.subarray(read.at), ...added]) }
  }
  return rebuilt(wasm, {
    ...more(GLOBAL, found.map(() => Uint8Array.of(0x7f, 1, 0x41, 0, 0x0b))), // i32，可变，0
    ...more(EXPORT, found.map((_, k) => join([sized(Buffer.from(`f${k}`)), Uint8Array.of(3), leb(first + k)]))),
    [CODE]: join([leb(found.length), ...found.map((body, k) => {
      const read = new Reader(body)
      for (let groups = read.number(); groups > 0; groups--, read.byte()) read.number() // 局部变量：几个，什么类型
      return sized(join([body.subarray(0, read.at), Uint8Array.of(0x41, 1, 0x24), leb(first + k), body.subarray(read.at)])) // i32.const 1，global.set
    })]),
  })
}

/** marked 过的，哪些函数跑过。 */
export function ran({ exports }: WebAssembly.Instance): boolean[] {
  const found = []
  for (let k = 0; `f${k}` in exports; k++) found.push((exports[`f${k}`] as WebAssembly.Global).value === 1)
  return found
}
