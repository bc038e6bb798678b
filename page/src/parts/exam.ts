/** 哪几版的 loss 考的是同一份题，能放在一起比。 */
import type { Course, Part, Version } from '../course'

export type Exam = 'pieces' | 'poems' | 'own'

/** 第一段路考随便截的一段；第二段路考整首；底座之后只算词、不算要求，各考各的。 */
const EXAMS: Record<Part, Exam> = { baseline: 'pieces', first: 'pieces', modern: 'poems', after: 'own' }

export const exam = (version: Version): Exam => EXAMS[version.part]

/** 一版能和同一段路上别的版本比的 loss；没有就是 null。 */
export function comparable(version: Version): number | null {
  return { pieces: version.val_loss, poems: version.form?.poem_loss ?? null, own: null }[exam(version)]
}

/** 数二元的，在同一份题上的 loss：不用神经网络的对照。 */
export function baseline(course: Course, of: Exam): number | null {
  const counted = course.versions.find(version => version.part === 'baseline')
  return { pieces: counted?.val_loss, poems: counted?.form?.poem_loss, own: null }[of] ?? null
}
