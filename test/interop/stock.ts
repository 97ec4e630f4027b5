import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker } from './broker.js';
import { type ConsumeCall, Driver, type SeenMessage, type SentMessage, type SentReceipt } from './driver.js';
import { type Dialect, javaReady } from './maven/class-path.js';

export const brokerName = 'broker-a';

/** Sizes that a store keeps, and a broker must be told. Small, so that a test has several files of each kind. */
export interface Sizes {
  readonly segmentBytes: number;
  readonly queueEntriesPerFile: number;
  readonly indexSlotCount: number;
  readonly indexEntryCount: number;
}
export const smallSizes: Sizes = { segmentBytes: 1_048_576, queueEntriesPerFile: 500, indexSlotCount: 500, indexEntryCount: 1_500 };

const jvmOptions = [
  '-Xms64m',
  '-Xmx512m',
  '-XX:MaxDirectMemorySize=512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dfile.encoding=UTF-8',
  '-Duser.timezone=UTC',
  '-Dtls.server.mode=disabled',
  // What 4.9 needs of a Java newer than it.
  ...['java.nio', 'java.lang', 'java.util', 'sun.nio.ch', 'jdk.internal.ref'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
];

/**
 * Stock Apache RocketMQ of one version: a name server with the stock client (one process, for as long as this lives) and a broker (another
 * one, started and ended by the test over whatever directory it likes). Loopback only, ports of its own, which stay the same.
 */
export class Stock implements AsyncDisposable {
  readonly version: string;
  readonly dialect: Dialect;
  /** The broker's port, and so what has to be the store host of messages that are to be found by their id. */
  readonly brokerPort: number;
  readonly home: string;
  readonly #classPath: string;
  readonly #nameServerPort: number;
  readonly #driver: Driver;
  #broker: Broker | undefined;
  #brokerHost = '127.0.0.1';

  private constructor(parts: {
    dialect: Dialect;
    version: string;
    classPath: string;
    home: string;
    ports: readonly number[];
    driver: Driver;
  }) {
    this.dialect = parts.dialect;
    this.version = parts.version;
    this.home = parts.home;
    this.#classPath = parts.classPath;
    this.#driver = parts.driver;
    this.brokerPort = parts.ports[0]!;
    this.#nameServerPort = parts.ports[1]!;
  }

  static async start(dialect: Dialect): Promise<Stock> {
    const java = await javaReady(dialect);
    if (!java.ready) throw new Error(java.why);
    const home = mkdtempSync(join(tmpdir(), 'stratalog-stock-'));
    mkdirSync(join(home, 'conf'));
    for (const name of ['broker', 'namesrv', 'tools'])
      writeFileSync(join(home, 'conf', `logback_${name}.xml`), logging(join(home, `${name}.log`)));
    const ports = await freePorts();
    const command = ['java', ...jvmOptions, ...ownOptions(home, 'tools', ports[1]!), '-cp', java.classPath];
    const driver = await Driver.start({ command, environment: environment(home), port: ports[1]! });
    return new Stock({ dialect, version: java.version, classPath: java.classPath, home, ports, driver });
  }

  get brokerAddress(): string {
    return `${this.#brokerHost}:${this.brokerPort}`;
  }

  /** `storeHost` for `openStore`. */
  get storeHost(): { readonly address: string; readonly port: number } {
    return { address: '127.0.0.1', port: this.brokerPort };
  }

  /** A broker process over `directory`; `settings` are added to its configuration. Waits for nothing. */
  launchBroker(directory: string, sizes: Sizes, settings: Readonly<Record<string, string | number | boolean>> = {}): Broker {
    this.#brokerHost = String(settings['brokerIP1'] ?? '127.0.0.1');
    const configuration = join(this.home, 'broker.conf');
    writeFileSync(configuration, this.#configuration(directory, sizes, settings));
    const command = ['java', ...jvmOptions, ...ownOptions(this.home, 'broker', this.#nameServerPort), '-cp', this.#classPath];
    return Broker.launch([...command, 'WatchedBroker', '-c', configuration], environment(this.home), join(this.home, 'broker.log'));
  }

  /** The broker of this cluster, serving. */
  async startBroker(directory: string, sizes: Sizes, settings: Readonly<Record<string, string | number | boolean>> = {}): Promise<Broker> {
    const broker = this.launchBroker(directory, sizes, settings);
    this.#broker = broker;
    const settled = await broker.settled();
    if (!settled.up) throw new Error(`the broker has ended (${settled.exit}): ${settled.output}\n${broker.log().slice(-4_000)}`);
    return broker;
  }

  #configuration(directory: string, sizes: Sizes, settings: Readonly<Record<string, string | number | boolean>>): string {
    const all: Record<string, string | number | boolean> = {
      brokerClusterName: 'DefaultCluster',
      brokerName,
      brokerId: 0,
      listenPort: this.brokerPort,
      bindAddress: '127.0.0.1',
      brokerIP1: '127.0.0.1',
      namesrvAddr: `127.0.0.1:${this.#nameServerPort}`,
      storePathRootDir: directory,
      storePathCommitLog: join(directory, 'commitlog'),
      mappedFileSizeCommitLog: sizes.segmentBytes,
      mappedFileSizeConsumeQueue: sizes.queueEntriesPerFile * 20,
      maxHashSlotNum: sizes.indexSlotCount,
      maxIndexNum: sizes.indexEntryCount,
      // Nothing is deleted behind the test's back, and a busy machine is no reason to refuse.
      fileReservedTime: 100_000,
      diskMaxUsedSpaceRatio: 95,
      waitTimeMillsInSendQueue: 60_000,
      osPageCacheBusyTimeOutMills: 60_000,
      ...settings,
    };
    return Object.entries(all)
      .map(([name, value]) => `${name}=${value}\n`)
      .join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker?.kill();
    await this.#driver.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  // -------------------------------------------------------------- the stock client and tools

  /** Until the name server has heard of the topic, which is a moment after the broker serves. */
  async routed(topic: string): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      if (await this.#driver.call<boolean>('route', { topic })) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the name server does not hear of ${topic}`);
  }

  updateTopic(topic: string, queues: number): Promise<unknown> {
    return this.#driver.call('updateTopic', { topic, queues, broker: this.brokerAddress });
  }

  /** Each by itself, in order; `compressAbove`: bodies of more bytes are compressed by the client (never, if not given). */
  send(messages: readonly SentMessage[], compressAbove?: number): Promise<readonly SentReceipt[]> {
    return this.#driver.call('send', {
      brokerName,
      messages: messages.map(shapeOf),
      ...(compressAbove === undefined ? {} : { compressAbove }),
    });
  }

  sendBatch(topic: string, queueId: number, messages: readonly SentMessage[]): Promise<SentReceipt> {
    return this.#driver.call('sendBatch', { brokerName, topic, queueId, messages: messages.map(shapeOf) });
  }

  sendHalf(messages: readonly SentMessage[], outcome: 'COMMIT_MESSAGE' | 'ROLLBACK_MESSAGE' | 'UNKNOW'): Promise<readonly SentReceipt[]> {
    return this.#driver.call('sendHalf', { messages: messages.map(shapeOf), outcome });
  }

  pull(topic: string, queueId: number, from: number, to: number): Promise<readonly SeenMessage[]> {
    return this.#driver.call('pull', { brokerName, topic, queueId, from, to });
  }

  bounds(topic: string, queueId: number): Promise<{ readonly min: number; readonly max: number }> {
    return this.#driver.call('bounds', { brokerName, topic, queueId });
  }

  offsetAt(topic: string, queueId: number, time: number): Promise<number> {
    return this.#driver.call('offsetAt', { brokerName, topic, queueId, time });
  }

  async view(topic: string, id: string): Promise<SeenMessage | undefined> {
    return (await this.#driver.call<readonly SeenMessage[]>('view', { topic, id }))[0];
  }

  byKey(topic: string, key: string, since: number = 0, until: number = Number.MAX_SAFE_INTEGER): Promise<readonly SeenMessage[]> {
    return this.#driver.call('byKey', { topic, key, since, until });
  }

  consume(call: ConsumeCall): Promise<readonly SeenMessage[]> {
    return this.#driver.call('consume', call);
  }

  /** Makes the group known, and has it begin there: queue id -> offset. */
  async setConsumerOffsets(group: string, topic: string, offsets: Readonly<Record<number, number>>): Promise<void> {
    await this.mqadmin('updateSubGroup', '-b', this.brokerAddress, '-g', group);
    await this.#driver.call('setConsumerOffsets', { brokerName, broker: this.brokerAddress, group, topic, offsets });
  }

  /** `topic/queueId` -> the offset that the broker keeps for the group. */
  consumerOffsets(group: string, topic: string): Promise<Readonly<Record<string, number>>> {
    return this.#driver.call('consumerOffsets', { group, topic });
  }

  runtime(): Promise<Readonly<Record<string, string>>> {
    return this.#driver.call('runtime', { broker: this.brokerAddress });
  }

  /** What to give `java`, before the arguments of `mqadmin`, to run that as a process of its own. */
  toolCommand(): readonly string[] {
    const own = ownOptions(this.home, 'tools', this.#nameServerPort);
    return [...jvmOptions, ...own, '-cp', this.#classPath, 'org.apache.rocketmq.tools.command.MQAdminStartup'];
  }

  /** What `mqadmin` prints. */
  mqadmin(...parameters: readonly string[]): Promise<string> {
    return this.#driver.call('mqadmin', { arguments: parameters });
  }
}

function shapeOf(message: SentMessage): object {
  return { ...message, body: Buffer.from(message.body).toString('base64') };
}

function environment(home: string): NodeJS.ProcessEnv {
  return { ...process.env, ROCKETMQ_HOME: home };
}

function ownOptions(home: string, name: string, nameServerPort: number): readonly string[] {
  return [
    `-Duser.home=${home}`,
    `-Drmq.logback.configurationFile=${join(home, 'conf', `logback_${name}.xml`)}`,
    `-Drocketmq.namesrv.addr=127.0.0.1:${nameServerPort}`,
  ];
}

function logging(path: string): string {
  return `<configuration><appender name="file" class="ch.qos.logback.core.FileAppender"><file>${path}</file>
  <encoder><pattern>%d{HH:mm:ss.SSS} %p %c{0} - %m%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="file"/></root></configuration>`;
}

/** A port whose neighbours (two below: the client's second one; one above: replication) are free too, and one for the name server. */
async function freePorts(): Promise<readonly number[]> {
  for (let tries = 0; tries < 200; tries += 1) {
    const first = 20_000 + Math.floor(Math.random() * 12_000);
    const wanted = [first, first + 3, first - 2, first + 1];
    const free = await Promise.all(wanted.map(isFree));
    if (free.every(Boolean)) return wanted;
  }
  throw new Error('no free ports');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
