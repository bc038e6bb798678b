/** 各页的地址、名字；脚本还没跑时先画的一条也用它。 */
export const NAMES = { '': '路', ask: '问它', see: '它看哪里', pair: '并排', near: '近邻', form: '格律' }
