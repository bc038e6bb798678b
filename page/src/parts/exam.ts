/** 哪几版的 loss 考的是同一份题，能放在一起比。 */
import type { Course, Version } from '../course'
import { find } from './model'

const number = (version: Version) => Number(/^v(\d+)$/.exec(version.id)?.[1] ?? 0)

export type Exam = 'pieces' | 'poems' | 'own'

/** v11 为止考随便截的一段；v13–v24 考整首；v25 起只算词、不算要求，各考各的。 */
export function exam(version: Version): Exam {
  if (version.arc === 1) return 'pieces'
  return number(version) <= 24 ? 'poems' : 'own'
}

/** 一版能和同一段路上别的版本比的 loss；没有就是 null。 */
export function comparable(version: Version): number | null {
  return { pieces: version.val_loss, poems: version.form?.poem_loss ?? null, own: null }[exam(version)]
}

/** 数二元的，在同一份题上的 loss：不用神经网络的对照。 */
export function baseline(course: Course, of: Exam): number | null {
  if (of === 'pieces') return course.baselines.bigram
  return of === 'poems' ? find(course, 'bigram')?.form?.poem_loss ?? null : null
}
