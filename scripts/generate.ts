// Writes src/gen/proto.ts from proto/: TypeScript shapes, and the descriptor from which protobufjs
// builds its encoders at start (measured faster than its static code). `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { readFlags } from './flags.ts';

const usage = `npm run generate [-- --check]: writes src/gen/proto.ts and descriptor.ts from proto/

  --check   only says whether they are what it would write`;
const { values: flags } = readFlags(usage, {
  options: { check: { type: 'boolean', default: false } },
});

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const target = path.join(root, 'src/gen/proto.ts');
const files = [
  'paceline/v1/log.proto',
  'paceline/v1/operator.proto',
  'paceline/peer/v1/peer.proto',
];

const scalars: Record<string, [decoded: string, input: string]> = {
  string: ['string', 'string'],
  bytes: ['Uint8Array', 'Uint8Array'],
  bool: ['boolean', 'boolean'],
  uint32: ['number', 'number'],
  uint64: ['Long', 'Long | number'],
  fixed64: ['Long', 'Long | number'],
};

function shapes(type: protobuf.Type): string {
  const decoded: string[] = [];
  const input: string[] = [];
  for (const field of type.fieldsArray) {
    field.resolve();
    const [read, write] = fieldTypes(field);
    const doc = field.comment ? `  /** ${field.comment.replaceAll('\n', ' ')} */\n` : '';
    const optional = isOptional(field);
    const readType = optional ? `${read} | null` : read;
    const writeType = optional ? `${write} | null` : write;
    decoded.push(
      `${doc}  readonly ${field.name}: ${field.repeated ? `readonly ${read}[]` : readType};`,
    );
    input.push(
      `  ${field.name}?: ${field.repeated ? `readonly ${parenthesised(write)}[]` : writeType};`,
    );
  }
  const doc = type.comment ? `/** ${type.comment.replaceAll('\n', ' ')} */\n` : '';
  return `${doc}export interface ${type.name} {
${decoded.join('\n')}
}
export interface ${type.name}Input {
${input.join('\n')}
}
export const ${type.name} = codec<${type.name}, ${type.name}Input>('${type.fullName.slice(1)}');
`;
}

function parenthesised(type: string): string {
  return type.includes('|') ? `(${type})` : type;
}

function isOptional(field: protobuf.Field): boolean {
  return !field.repeated && field.resolvedType instanceof protobuf.Type;
}

function fieldTypes(field: protobuf.Field): [string, string] {
  if (field.resolvedType instanceof protobuf.Enum) return ['number', 'number'];
  if (field.resolvedType !== null) {
    return [field.resolvedType.name, `${field.resolvedType.name}Input`];
  }
  const types = scalars[field.type];
  if (types === undefined) throw new Error(`${field.fullName}: no rule for type ${field.type}`);
  return types;
}

function enumeration(type: protobuf.Enum): string {
  const values = Object.entries(type.values).map(([name, value]) => `  ${name}: ${value},`);
  return `export const ${type.name} = {\n${values.join('\n')}\n} as const;\n`;
}

function walk(namespace: protobuf.NamespaceBase): string[] {
  return namespace.nestedArray.flatMap((nested) => {
    if (nested instanceof protobuf.Type) return [shapes(nested)];
    if (nested instanceof protobuf.Enum) return [enumeration(nested)];
    if (nested instanceof protobuf.Service) return [];
    return nested instanceof protobuf.Namespace ? walk(nested) : [];
  });
}

function load(): protobuf.Root {
  const loaded = new protobuf.Root();
  loaded.resolvePath = (_origin, file) => path.join(root, 'proto', file);
  loaded.loadSync(files, { alternateCommentMode: true }).resolveAll();
  return loaded;
}

const proto = load();
const source = `// Generated from proto/ by scripts/generate.ts. Do not edit.
import type Long from 'long';
import { codec } from './codec.ts';

${walk(proto).join('\n')}`;

const descriptor = `// Generated from proto/ by scripts/generate.ts. Do not edit.
export const descriptor = ${JSON.stringify(proto.toJSON({ keepComments: false }))};
`;

const outputs: [string, string][] = [
  [target, source],
  [path.join(root, 'src/gen/descriptor.ts'), descriptor],
];
for (const [file, text] of outputs) {
  if (!flags.check) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${path.relative(root, file)} is not what proto/ says: run npm run generate`);
    process.exitCode = 1;
  }
}
