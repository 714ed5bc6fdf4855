import { z } from 'zod'
import { duration, keptFor, size, text, whenFull, whole } from './schema-fields.ts'

const sub = z
  .strictObject({
    name: text('Name of a broker in mqtts.'),
    topic: text('Topic filter; + and # are wildcards.'),
    clientId: text(
      'Client id of the subscribing connection; with QoS 1, or several funcs, -{func} is added. Default: one derived from rule and func.',
    ).optional(),
    group: text(
      'Shared subscription: members of a group divide the messages ($share/group/topic).',
    ).optional(),
    retained: z
      .boolean()
      .meta({
        description: 'Whether messages that the broker kept from earlier are events too.',
        default: true,
      })
      .optional(),
  })
  .meta({ description: 'Where events come from.' })

const pub = z
  .strictObject({
    name: text('Name of a broker in mqtts.'),
    topic: text(
      'Topic of results; may contain ${device}, ${rule}, ${model}, ${topic} and ${topic[N]}.',
    ),
    clientId: text(
      'Client id of the publishing connection; -{func} is added where the one of sub gets it. Default: one derived from rule and func.',
    ).optional(),
    timeout: duration(
      'How long a result may wait for the broker in memory: with QoS 0 it is then dropped and counted, with QoS 1 it goes to the spool.',
      '10s',
    ).optional(),
  })
  .meta({ description: 'Where results go.' })

const spool = z
  .strictObject({
    maxBytes: size(
      'Most bytes of results on the disk, at least 1MiB.',
      '256MiB',
      '1MiB',
    ).optional(),
    maxAge: keptFor(
      'Results that waited longer are given up and counted. Default: never.',
      'leave it out to keep results for ever',
    ).optional(),
    whenFull: z
      .enum(['block', 'drop-oldest'])
      .meta({
        description:
          'What a full spool does: messages stay with the input broker, or the oldest results make room and are counted.',
        default: 'block',
      })
      .optional(),
  })
  .meta({ description: 'Limits of the spool.' })

const keep = z
  .strictObject({
    maxItems: whole(
      'Most dead letters on the disk; the oldest make room. Default: 10000.',
      1,
      1_000_000,
    ).optional(),
    maxBytes: size(
      'Most bytes of dead letters on the disk, at least 1MiB; the oldest make room.',
      '64MiB',
      '1MiB',
    ).optional(),
  })
  .meta({ description: 'Limits of the dead letters on the disk.' })

/** One rule, as it is written. */
export const rule = z
  .strictObject({
    name: text('Name in logs and topics. Unique. Default: rule-1, rule-2, …').optional(),
    sub,
    pub,
    funcs: z
      .array(text('Name of a func.'))
      .meta({ description: 'Funcs that see the events. Default: every func, as in pyboot.' })
      .optional(),
    queue: z
      .strictObject({
        size: whole(
          'Events that may wait. With QoS 1 also the messages that may be received and not yet acknowledged (at most 65535), and so the most that may come twice after a crash. Default: 1000.',
          1,
          1_000_000,
        ).optional(),
        whenFull: whenFull.optional(),
      })
      .meta({ description: 'Events that wait for the model.' })
      .optional(),
    orderBy: z
      .enum(['device', 'topic', 'none'])
      .meta({ description: 'What keeps events in order.', default: 'device' })
      .optional(),
    onError: z
      .strictObject({
        attempts: whole(
          'How often an event whose runner died is tried. Default: 3.',
          1,
          100,
        ).optional(),
        deadLetter: text(
          'Topic for copies of events that were given up; may contain what pub.topic may. Default: none.',
        ).optional(),
        keep: z
          .union(
            [z.boolean(), keep],
            'must be a map such as { maxItems: 10000 }, or false for none',
          )
          .meta({
            description:
              'Events that were given up are kept on the disk, for edgeboot dlq. false: they are counted and logged alone.',
            default: true,
          })
          .optional(),
      })
      .meta({ description: 'What happens to events that fail.' })
      .optional(),
    spool: z
      .union([z.boolean(), spool], 'must be a map such as { maxBytes: 256MiB }, or false for none')
      .meta({
        description:
          'Results that wait on the disk for an absent output broker of QoS 1. false: they wait in memory alone.',
        default: true,
      })
      .optional(),
  })
  .meta({ description: 'Where events come from, which funcs see them, and where results go.' })
