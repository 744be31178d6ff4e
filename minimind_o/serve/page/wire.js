// A message with its payload as one binary frame: see minimind_o/serve/wire.py.

const LENGTH = 4;

export function pack(message, payload = new Uint8Array(0)) {
  const header = new TextEncoder().encode(JSON.stringify(message));
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  const frame = new Uint8Array(LENGTH + header.length + bytes.length);
  new DataView(frame.buffer).setUint32(0, header.length, true);
  frame.set(header, LENGTH);
  frame.set(bytes, LENGTH + header.length);
  return frame;
}

export function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = new TextDecoder().decode(new Uint8Array(buffer, LENGTH, size));
  return [JSON.parse(header), new Uint8Array(buffer, LENGTH + size)];
}
