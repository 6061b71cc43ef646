// HOST:PORT as sockets want it: an IPv6 host without the brackets it is written in.

/** Throws nothing: what is no HOST:PORT was refused where it came in. */
export function placeAt(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(address.slice(colon + 1)) };
}
