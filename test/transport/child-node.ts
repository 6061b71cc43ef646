// Node 2 in a process of its own, to be killed or stopped: node --import tsx child-node.ts <address of
// node 1>. Says its address on stdout once it listens.
import { createNode, listen, serve, start } from './nodes.ts';

const [, , addressOfOne] = process.argv;
if (addressOfOne === undefined) throw new Error('the address of node 1 is missing');
const listener = await listen();
const node = createNode(2, new Map([[1, addressOfOne]]));
serve(listener, node.transport);
start(2, listener.address, node);
console.log(listener.address);
