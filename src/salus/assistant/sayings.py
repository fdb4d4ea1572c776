"""Ways of speaking by which a sentence tells of another time, of nobody, of a story, or means something else.

Expressions over the words made uniform by :mod:`salus.assistant.language`; what they mean stands in
:mod:`salus.assistant.context`.
"""

from __future__ import annotations

import re

# ---- past, some day, in general

YEARS = re.compile(
    r" (?:in (?:19|20)\d\d|(?:since|back in|from) (?:19|20)\d\d|(?:years?|yrs?|months?|decades?|"
    r"donkeys years) (?:ago|back|earlier|before)|"
    r"(?:\d+|two|three|four|five|six|few|several|couple of|many) (?:weeks|wks) (?:ago|back)|last (?:year|"
    r"month|winter|summer|"
    r"spring|fall|autumn|pregnancy|time|labour|birth|xmas|christmas|easter)|"
    r"as a (?:child|kid|teen|teenager|baby|boy|girl)|when (?:i|he|she|they) (?:was|were) (?:a |an |\d+|young|"
    r"little|in |about \d+|one|two|"
    r"three|four|five|six|seven|eight|nine|ten|pregnant)|in year \d+|history of|used to|at age \d+|"
    r"at (?:the age of )?\d+ years|"
    r"in the past (?!few|couple|\d|hour|day|week|several)|previously|previous pregnancy|died|passed (?:away|"
    r"from|of)|death certificate|"
    r"runs? (?:in|on)|fully recovered|all clear|survivor|once (?:aged|when|as)|first pregnancy|grew out of|"
    r"long time ago|ages ago|"
    r"the other year|back when|at school i|my youth|long gone|since recovered|made a full|cured|in remission|"
    r"\d+ (?:years|yrs|months) (?:free|clear|on)|in recovery|i am well now|discharged (?:me|him|her|last)|"
    r"years old at the time|in (?:my|his|her|their) (?:teens|twenties|thirties|forties|fifties|sixties|seventies|"
    r"eighties|teenage years|early \w+|late \w+|youth|childhood|school days|student days)|back then|from (?:the|his|"
    r"her|my) (?:war|army days|childhood)|(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|"
    r"twenty|thirty) (?:years?|yrs?|months) (?:clean|sober|dry|later)|(?:he|she) is (?:\d+|\w+teen|twenty|thirty|"
    r"six|seven|eight|nine|ten|at (?:uni|school|college)|grown up|an adult) now|in (?:19|20)?\d0s|"
    r"back in (?:the )?(?:19|20)?\d\ds?|(?:in|of) (?:january|february|march|april|may|june|july|august|september|"
    r"october|november|december|spring|summer|autumn|winter) (?:last year|(?:19|20)\d\d)|(?:19[3-9]\d|20[01]\d)|"
    r"old (?:\w+ ){0,2}(?:scars?|marks?|injur(?:y|ies)|fractures?)|during the (?:war|pandemic|lockdown)|"
    r"(?:my|our|his|her) late (?:\w+)|years before|at (?:1[3-9]|2\d|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty) (?:,|i|and)) "
)
PRESENT = re.compile(
    r"(?<! for a)(?<! for one)(?<! for two) (?:now|today|tonight|again|currently|this (?:morning|afternoon|"
    r"evening|week|one)|right now|just|suddenly|still|"
    r"woke|last night|yesterday|hours?|minutes?|mins?|hrs?|getting worse|since (?:this|last|yesterday|lunch|"
    r"breakfast|"
    r"tea|dinner|morning|monday|tuesday|wednesday|thursday|friday|saturday|sunday)|keeps|is (?:not|having|so|"
    r"very)|am) "
)
FAR = re.compile(
    r" (?:some ?day|in the future|one day|ever (?:get|have|gets|has)|(?:my|the|his|her|their|push up|higher|"
    r"lower|increased?) "
    r"(?:risk|chances?|odds)|risk of|risks|chances? of|prevent\w*|protect\w*|avoid (?:a|having|getting)|"
    r"lower the|afraid "
    r"of getting|hereditary|genetic|inherit\w*|run in (?:the|my|our)|runs in|insurance|contagious|(?:could|"
    r"can|do) (?:i|you|we) (?:have|get|catch) (?:a |an )?\w+(?: \w+)? from) "
)
SUPPOSED = re.compile(
    r"^ ?(?:in case of|suppose|supposing|imagine|hypothetically|what if|(?:hi|hello) ,? ?what if) |"
    r" if (?:someone|somebody|anyone|you|"
    r"one|people|a|an|your) (?:\w+ )?(?:\w+s|took|had|fell|fainted|drank|swallowed|has|is|gets|ever|are|get|have|"
    r"stops?|chokes?|passes|collapses|"
    r"falls|faints|goes) |"
    r" (?:if|should|in case) (?:i|he|she|we|they|my \w+|the \w+|baby) (?:were to|ever|should|one day) |"
    r"^ ?(?:\w+ ){0,3}?were (?:my|a|the|our|your|someone|somebody|anyone) (?:\w+ ){1,4}to |"
    r"what (?:would|do|should|does|will|could|can) (?:i|we|you|one|a \w+|they|people) do (?:if|when|should|in case) |"
    r"what happens (?:if|when|to) |^ ?(?:so |and |but |ok )?when (?:a|an|someone|somebody|people|you|one|kids|adults|"
    r"children|babies) "
)
IMAGINED = re.compile(
    r"^ ?(?:(?:hi|hello|hey|so|and|but|also|ok|okay|just wondering|question|quick (?:one|question)|doctor|"
    r"doc) ,? ?)*(?:"
    r"if |what if |should (?:my|i|he|she|we|someone|anyone|a|the|it|they) |were (?:i|he|she|we) |in case |suppose |"
    r"supposing |imagine |say (?:i|someone|somebody|my|a) |hypothetically|at what (?:point|stage)|"
    r"when (?:should|would|do|"
    r"does|is) |how (?:would|do|will) (?:i|we|you|one) (?:know|tell|recogni)(?! if (?:it|this|that) is)|"
    r"would (?:i|he|she|we|a|the|it) )"
)
WOULD = re.compile(
    r" (?:would|one day|ever|hypothetical\w*|curious|in theory|prepping|planning|care plan|what happens|"
    r"do (?:we|i) (?:ring|"
    r"call|need)|who (?:would|do|should)|should (?:i|we)|what is|advice|first aid|just in case|get|gets|got|"
    r"were|happened|happens|"
    r"at school|abroad|on holiday|on a plane|need|needs|want|could|can|do|does|has|have|had|know|point) "
)
NOT_IMAGINED = re.compile(
    r" (?:now|today|tonight|since|last night|yesterday|this morning|woke|started|ago|keeps|is having|has had|hes|"
    r"right now|already|won|will not|he is|she is|i am (?:having|feeling|bleeding|in|so|not|very|really|"
    r"getting)|are having|getting worse|suddenly|just (?:had|took|fell|started)) "
)
ASKS_IN_GENERAL = re.compile(
    r"^ ?(?:(?:hi|hello|hey|please|so|also|and|but|ok|question|quick (?:one|question)|just curious|random|doc|doctor|"
    r"just wondering|out of interest|curious|wondering|serious question) ,? ?)*(?:"
    r"(?:what|which|whats) (?:is|are|was|were|does|do|causes?|can|could|would|kind|type|other|s|\w+ (?:is|are|"
    r"do|does|in|"
    r"level\w*|can)) |"
    r"(?:can|could|does|do|is|are|will|would) (?!this |it |that |you (?:help|tell)|i |he |she |we |my |not |very |"
    r"so |"
    r"now |having |getting |burning |bleeding |vomiting |shaking |breathing |gone |going |really |feeling |in |on |"
    r"someone )|is it (?:true|safe|normal that|ok to|okay to|possible)|"
    r"how (?:hot|warm|deep|poisonous|toxic|high|low|strong|come|common|long|many|often|is|are|does|do|did|can|"
    r"likely|dangerous|rare|much|would|far|quickly|fast|soon|"
    r"contagious|serious) |why (?:is|are|do|does|did) |whether |"
    r"define |describe |explain |tell me |information |i (?:want|would like|need) to (?:know|learn)|"
    r"i am (?:writing|reading|"
    r"studying|researching|doing|revising|curious) |symptoms? of |signs? of |treatments? (?:of|for) |causes? of |"
    r"(?:difference|link|connection) between |when (?:is|are|should|do|does|would) |who (?:is|are|gets) |are there |"
    r"is there (?:a|any)|interested in |looking for |need (?:some )?info)"
)
SUBJECT = (
    r"(?:i|he|she|they|we|my [a-z]+(?: [a-z]+)?|our [a-z]+|someone|somebody|(?:the|a|this) (?:patient|child|baby|man|"
    r"woman|person|boy|girl|friend)|his [a-z]+|her [a-z]+|mum|mom|dad|baby|wife|husband|hubby|gran|nan)"
)
SOMEBODY = re.compile(
    rf" {SUBJECT} (?:just |also |now |suddenly |really |keep |keeps |still |might |may |recently |has |"
    rf"have )?(?:am|is|are|"
    r"was|were|has|have|had|feels?|felt|feeling|cannot|could not|will not|keeps?|started|took|taken|woke|"
    r"passed|fainted|collapsed|swallowed|drank|ate|fell|hit|cut|vomited|threw|hurts?|turned|stopped|lost|looks?|"
    r"seems?|"
    r"might|did|does|bleeding|gone|going blue|not (?:breathing|waking|responding|moving)|accidentally|gave) "
    r"| there is (?:\w+ ){0,3}(?:in|on|from) my "
)
ABOUT = re.compile(
    r" (?:side effects?|symptoms?|signs?|causes?|risk factors?|definition|difference|meaning) (?:of|for|between) "
)

# ---- not this life

UNREAL = re.compile(
    r" (?:(?:writing|wrote|write|reading|finished|editing) (?:a|my|this|the)? ?(?:novel|story|thriller|script|"
    r"screenplay|"
    r"essay|dissertation|thesis|play|book|poem|song|scene|chapter|fan ?fic\w*|short story|crime novel|"
    r"murder mystery|blog|article|assignment)|(?:my|the|main|game|a) "
    r"(?:character|heroine|hero|protagonist|villain|detective)s?|student (?:nurse|midwife|paramedic|doctor)|"
    r"for (?:a|my|the|our) (?:\w+ )?(?:novel|story|script|game|mod|film|scene|"
    r"play|essay|quiz|project|assignment|homework|presentation|poster|panto|podcast|comic)|in my (?:story|"
    r"novel|book|script|comic|play)|novel s|story s|(?:and d|my|the) (?:\w+ )?character (?:got|gets|is|was|"
    r"has)|drama (?:club|class|group)|on stage|"
    r"(?:on|in|watching|watched) (?:the |last nights |an episode of |an old )?(?:casualty|tv|telly|netflix|"
    r"holby|greys anatomy|"
    r"er episode|eastenders|film|movie|series|show|soap|documentary|call the midwife|house md|emmerdale|"
    r"coronation street|corrie|scrubs|"
    r"the pitt|neighbours|home and away)|game character|video game|role ?play|dungeons and dragons|d and d campaign|"
    r"revision|revising|gcse\w*|my a levels?|homework|coursework|exam question|crossword|pub quiz|trivia|flashcards?|"
    r"first aid (?:course|training|exam|class|badge)|nursing (?:exam|assignment|student)|med(?:ical)? student|"
    r"murder mystery|"
    r"documentary|podcast|plot|screenwriter|author|fictional|comic|manga|anime|episode|history (?:essay|lesson|"
    r"class)|"
    r"biology (?:class|homework|lesson)|training (?:dummy|scenario|exercise)|mock|simulation|halloween|costume|panto|"
    r"halloween costume|stage make ?up|fake blood|puppet|teddy|(?<!rag )doll|sims) "
)
LEAFLET = re.compile(
    r" (?:leaflet|pamphlet|booklet|insert|package|info(?:rmation)? sheet|side effects? (?:list|of|include|"
    r"section|say\w*)|possible side "
    r"effects?|it says (?:on|in)|(?:box|label|packet|bottle|sheet|poster|website|article|page|brochure|nhs|"
    r"news|google|paper) "
    r"(?:says?|said|warns?|lists?|mentions?|talks?|tells?)|says on the|small print|warning label|listed as|"
    r"reading (?:up|about)|(?:read|reads|saw|seen|heard|watched) (?:\w+ ){0,4}(?:about|that|article|online|"
    r"somewhere|news|leaflet|post|poster|advert)|"
    r"poster|advert|campaign|in the news|prospectus|instructions (?:say|said)|consent form|lists|warns|"
    r"(?:could|may|can) (?:also )?cause) "
)
RIGHT_NOW = re.compile(
    r" (?:now|today|tonight|this morning|last night|hours?|minutes?|mins|suddenly|right now|i have|he has|she has) "
)
WELL = re.compile(
    r" (?:normal for (?:me|him|her|us|mum|dad)|as (?:usual|normal|always|ever|per)|no (?:more|worse|different|"
    r"change) "
    r"(?:\w+ )?(?:than|from)|well controlled|controlled (?:with|by|on)|(?:doctor|gp|nurse|midwife|dentist|"
    r"optician|consultant|cardiologist|pharmacist) (?:said|says|told me|reckons|thinks|"
    r"is) (?:\w+ )?(?:\w+ )?(?:normal|fine|harmless|nothing|benign|happy|ok|pleased)|seen the doctor|"
    r"under control|quiet for|stable|same as (?:always|usual|ever)|no bother|no trouble|"
    r"without any trouble|(?:all|everything|everythings|totally|perfectly|otherwise|completely|"
    r"feeling) (?:is )?(?:fine|well|good|ok|okay|normal|"
    r"healthy) (?:now|here)|"
    r"routine|check ?up|annual review|yearly review|repeat prescription|refill|goes (?:off |away )?in (?:a|"
    r"one|two)|goes (?:off|away) (?:with|after|by)|within a minute|fine (?:now|within|again)|gone now|"
    r"stopped (?:with|after|by)|first in a year|cooled it|(?:just|am|is) unfit|better already|when i run for|"
    r"gone after|all good|(?:is|and|now) playing|back to (?:normal|playing|eating)|running about|right as rain|"
    r"bouncing|all better|on the mend|getting better|rinsed it out|(?:hysterectomy|operation|op|"
    r"surgery|scan|angiogram|endoscopy|gastroscopy|colonoscopy|repair|procedure|removed|"
    r"replacement) (?:\w+ ){0,5}(?:in (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*|next|booked|"
    r"planned|scheduled|is on|on the \d+)|walking fine|(?:is|are|gets?) (?:often|always|sometimes) (?:confused|"
    r"forgetful|muddled)|paper cut|fades|small burn|sorts it|fixes it|my usual|his usual|her usual|every year|"
    r"long ?standing|for years|for \d+ (?:years|yrs)|chronic) "
)
TROUBLE = re.compile(
    r" (?:worse|worsening|suddenly|sudden|tonight|this morning|now|cannot|could not|will not|not (?:working|helping|"
    r"waking|responding|right|normal)|unlike|different|never (?:had|felt|been)|today|severe|since (?:this|last|"
    r"yesterday)|hours?|minutes?|mins?|but|new|worst|faint\w*|collapsed?|agony) "
)
IDIOMS = re.compile(
    r" (?:blister packs?|dead on (?:my|his|her|our) feet|(?:heart rate|pulse|hr) (?:of |was |is |"
    r"hit )?\d+ (?:on the (?:treadmill|bike|rower)|"
    r"after (?:a|my) (?:run|ride|spin|workout)|during (?:a|my)|while (?:running|exercising|training)|"
    r"at the gym)|laugh\w* (?:\w+ ){0,5}(?:passes|passed|pass|fainted|faints) out|(?:a|the|bad|heavy|nasty|"
    r"common|my|his|her|another|this|head) cold(?! (?:sweats?|water|skin|hands?|feet|foot|leg|arm|"
    r"and (?:clammy|blue|pale|floppy|sweaty)|clammy|blue|limb|shower|compress|weather|room|flat|house|floor))|"
    r"(?:this |the )?(?:heat|weather|commute|suspense|waiting|wait|job|boss|work|homework|exam\w*|"
    r"curiosity) (?:is|are) killing me|"
    r"(?:am |is |are |be )?dying (?:for|to) (?:a|an|some|my|the|go|know|see|get|try|meet|hear|eat|find|tell)|"
    r"to die for|die of (?:embarrassment|shame|boredom|laughter|laughing)|"
    r"(?:nearly |almost |just |about )?(?:gave|give|giving|had) (?:me|him|her|us|mum|dad|my \w+|"
    r"everyone)? ?(?:a|an) (?:\w+ )?(?:heart attack|stroke|coronary|fit|"
    r"seizure) (?:with|when|at|over|about|by|because|from laughing|that)|nearly (?:gave|had) (?:me |us |him |"
    r"her )?a (?:heart attack|fit|stroke)|"
    r"(?:could|would|gonna|going to|want to|will) (?:strangle|kill|murder|throttle|swing for) (?:my|him|her|"
    r"them|you|that|the|whoever) (?:\w+ )?(?:for|if|when|about|because)|"
    r"could (?:strangle|kill|murder|throttle) \w+|kill for|cold feet|having fits|(?:threw|throw|throws|"
    r"throwing) (?:a|his|her) (?:fit|tantrum|wobbly|hissy fit)|"
    r"pain in the (?:neck|arse|ass|bum|backside|butt|proverbial)|heart ?broken|broke(?:n)? (?:my|his|"
    r"her) heart|by heart|heart (?:skipped a beat|stopped|sank|"
    r"melted) (?:when|at)|at heart|heart of gold|butterflies in|(?:bored|scared|worried|tickled|starving|"
    r"frightened|loves? \w+|sick) to death|"
    r"sick (?:and tired|of (?:the|this|my|being|waiting|hearing|it)|note|pay|leave|day|days)|worried sick|"
    r"drop dead gorgeous|died (?:laughing|of embarrassment|a thousand)|"
    r"bleeding (?:edge|obvious|hell|heart)|blood (?:boil\w*|brother|sweat and tears|test\w*|donor|donation|"
    r"group|type|drive|sugar test|work)|(?:give|giving|gave|donat\w+) blood|out of the blue|"
    r"once in a blue moon|"
    r"feeling blue|stroke of (?:luck|genius|midnight)|(?:breast|back|front|key|brush) ?strokes?|fit (?:as|in|"
    r"into|for|and (?:well|healthy))|keep fit|get fit|"
    r"(?:phone|laptop|car|battery|plant|plants|wi ?fi|wifi|internet|app|website|computer|router|printer|"
    r"system|server|site|portal|tablet) (?:has |is |s |just |keeps? )?(?:\w+ )?(?:died|dead|dying|"
    r"crash\w*|having fits|fits|been having fits|frozen|froze|collapsed|on the blink)|drowning in (?:work|"
    r"paperwork|emails|laundry|debt|nappies|homework|forms)|"
    r"(?:stab\w*) (?:me|him|her|us|you) in the back|(?:line|result) (?:is|was) (?:very )?faint|faint (?:line|"
    r"positive|second line)|head (?:s|is) (?:exploding|spinning|banging|splitting) (?:with|"
    r"from) (?:all )?(?:this|these|the|paperwork|forms|work)|legs are (?:dead|jelly|killing me|sore) (?:after|"
    r"from) (?:the |my )?(?:marathon|gym|run|squats|leg day|hike|race)|(?:crash|crashed|crashing) (?:diet|"
    r"course|out|on the sofa)|took my breath away|breathtaking|waste (?:my|your) breath|head over heels|"
    r"laugh\w* (?:\w+ )?(?:till|until|so hard)|"
    r"(?:dead|killer) (?:good|cute|nice|funny|easy|line|ringer|chuffed|pleased|workout|abs|heels)|killing it|"
    r"smashed it|nailed it|"
    r"brain freeze|food coma|blackout (?:blinds?|curtains?)|jumped out of (?:my|his|her) skin|over my dead body|"
    r"sweating (?:over|about)|no sweat|rings? a bell|see red|hit the (?:gym|nail|road|sack)|hit (?:rock bottom|"
    r"a wall)|"
    r"crushed it|crush on|heavy (?:heart|workload|traffic)|weight (?:off|loss|gain|watchers)|"
    r"tongue (?:in cheek|twister)|cost (?:an|me an) arm and a leg|"
    r"arm and a leg|pulled? (?:my|his|her|your) leg|break a leg|costing an arm|lost my (?:mind|head|temper|"
    r"keys|phone|card|voice at)|going (?:mad|crazy|nuts|bananas)|driv\w* (?:me|us|him|her) (?:mad|crazy|nuts|"
    r"insane|up the wall|to drink|bonkers)|"
    r"shoot (?:me|you|him) an? (?:email|text|message)|deadline|bite the bullet|bitten off more|"
    r"stab in the (?:back|dark)|back ?stab\w*|have a stab|"
    r"(?:shot|jab|jabs|shots) (?:of|in the arm|for)|jump\w* (?:the queue|ship|to conclusions|for joy)|"
    r"kill (?:time|two birds|germs|lice|nits|the taste|the pain)|killed (?:time|off)|(?:hang|hanging|"
    r"hung) (?:out|on a|around|my|the)) "
)


ASKS_TO_ACT = re.compile(
    r" (?:what (?:should|do|can|must|shall) (?:i|we|you|one) do|(?:what|instructions on what) to do|"
    r"how (?:to|do i|do we|should i|should we|can i) (?:handle|treat|manage|help)|should (?:i|we) (?:call|go|take)) "
    r"(?:\w+ ){0,3}(?:if|when|with|about|for|a|an) "
)
"""Asking what to do now is no general question: the answer to such a sign is to get help."""
NOT_NOW = re.compile(
    r" (?:would|were to|were (?:i|my|he|she|we)|ever|plan\w*|next (?:week|month|year|summer|winter)|course|class|"
    r"lesson|"
    r"in case|babysit\w*|dummy|prepared|drill|scenario|pretend|exam|essay|hypothetic\w*|some ?day|one day|teach\w*|"
    r"abroad|altitude|trip|holiday|camp) "
)
"""Words beside such a question that put it elsewhere."""


BEREAVED = re.compile(
    r" (?:(?:took|taken|take) (?:his|her|their) own li\w+|(?:killed|hanged|hung|shot) (?:himself|herself|themselves)|"
    r"(?:died|lost \w+(?: \w+)?) (?:by|to) suicide|committed suicide|suicide of|"
    r"ended (?:his|her|their) (?:own )?li\w+|(?:died|lost) (?:\w+ ){0,3}(?:overdose|suicide)) "
)

HERE = re.compile(
    r" (?:my (?!character|hero|novel|story|script|book|essay)\w+|i|he|she|his|her|we) (?:\w+ ){0,6}(?:now|"
    r"today|tonight|this morning|"
    r"right now|suddenly|just|ago|since|last night|woke|keeps) "
)

RECOVERED = re.compile(
    r" (?:in recovery|(?:therapy|treatment|counselling|meds) helped|(?:doing|feel|feeling) (?:well|great|good|"
    r"better|fine)|peer support\w*|volunteer\w*|(?:am|is|are) (?:well|fine|ok|good|recovered|better) now|"
    r"fully recovered|all clear|cured|years? (?:clean|sober)|months clean|clean (?:for|since)|"
    r"not (?:at all|any ?more)(?: these days)?|(?:doing|feeling) (?:ok|okay|alright) (?:now|these days)|"
    r"long behind me|behind me now|(?:he|she) is (?:\d+|\w+teen|twenty|thirty|six|seven|eight|nine|ten|at (?:uni|"
    r"school|college)|grown up|an adult) now|i am (?:a )?(?:\d+|grand\w+|mother|father|mum|dad) (?:now|with)|"
    r"very happy) "
)

WAS = re.compile(r" (?:was|were|had|did|got|came|went|took|used|would|\w+ed) ")

# ---- what a whole message is about

TOPIC = re.compile(
    r" (?:application form|job (?:interview|description|application|ad|advert)|interview (?:question|tomorrow|"
    r"next|at|"
    r"for)|applying (?:to|for|as)|career|apprenticeship|cover letter|personal statement|(?:i|we) (?:teach|taught|run|"
    r"lead|coach)|i am (?:a |an |the )?(?:\w+ )?(?:teacher|trainer|instructor|lecturer|tutor|scout leader|writer|"
    r"author|"
    r"journalist|designer|screenwriter|translator|librarian)|teaching|certificate|refresher|recertif\w*|workshop|"
    r"webinar|lecture|curriculum|worksheet|homework|essay|thesis|dissertation|assignment|(?:uni|school|science|group|"
    r"college|class) (?:project|assignment|talk|essay|presentation)|(?:my|the|this|our) (?:class|chapter|textbook|"
    r"syllabus|seminar|module|exam|quiz|lesson) |class \d+ chapter|nursing degree|flash ?cards?|pharmacology|anatomy "
    r"(?:exam|class|test)|lifeguard (?:test|course|certificate|exam)|screenplay|novel|short story|storyline|plot|"
    r"protagonist|heroine|villain|sequel|finale|sitcom|bollywood|hollywood|anime|manga|minecraft|dnd|"
    r"video ?game|role ?play\w*|cosplay|costume|actor|actress|rerun|biopic|"
    r"(?:in|on) (?:the )?(?:news|radio|telly|tv|paper|documentary|podcast)|news (?:story|item|report)|article|"
    r"documentary|podcast|book club|reading about|volunteer\w*|fundrais\w*|charity|facilitator|support group|"
    r"campaign|awareness|leaflet|flyer|brochure|poster|flip ?chart|handbook|donat\w+|blood (?:donor|bank|"
    r"drive|bikes)|donor|vet (?:says?|said|reckons|thinks|told|checked|is happy)|(?:cocktail|band|song|album|beer|"
    r"racehorse|paint|lipstick|nail polish) (?:called|named)|recipe|risk assessment|training (?:day|session|course|"
    r"provider|video)|proof of|certified|crossword|trivia|pub quiz|seven letters|etymology|meaning of the word|"
    r"idiom|esl|kit list|first aid (?:kit|box|cupboard)|expir\w+|spare (?:epipen|pen|inhaler)s?|tattoo|"
    r"inherit\w*|hereditary|genetic\w*|family history|run in (?:the|my|our) family|screening|screened|life insurance|"
    r"insurance form|ratio|purpose of|point of (?:a|the) |difference between|antidote|survival rate|statistics|"
    r"headlines|poem|rhymes|exam prep|"
    r"letter (?:saying|for|from|that)|sick (?:note|letter)|copy of|my lawyer|appeal|old wives|urban legend|myth) "
)
"""What a message is about when nobody in it has the sign: work, lessons, stories, news, good causes, kin long ago."""
HAPPENING = re.compile(
    r" (?:now(?! (?:and then|i (?:want|wonder)))|right now|just (?:now|had|took|fell|swallowed|started|collapsed|"
    r"found|"
    r"got|been)|suddenly|minutes?|mins?|hours? ago|an hour|"
    r"half an hour|help|hurry|cannot (?:\w+ )?(?:breath\w*|stop|wake|move|see|speak|swallow|feel|stand|walk|get)|"
    r"keeps?|"
    r"turning|is not (?:\w+ )?(?:breathing|waking|responding|moving|right|well|making)|not (?:breathing|waking|"
    r"responding|"
    r"moving)|tonight|this morning|this afternoon|this evening|last night|woke|wakes|since (?:this|last|yesterday|"
    r"lunch|breakfast|dinner|tea)|collapsed|ambulance|feels? (?:like|so|very|really|weird)|i (?:want|am going|"
    r"plan) to (?:die|kill|"
    r"end)|getting worse|won t|will not (?:wake|stop|respond)|(?:i|he|she|they) (?:have|has) (?:just|got|had)|"
    r"(?:he|she|i|they|it) (?:is|am|are) (?:still |now |so |very |really )?\w+ing|going (?:blue|grey|floppy|pale|"
    r"numb)|"
    r"gone (?:blue|grey|floppy|limp|pale|numb|quiet)|today|swallowed|overdose[ds]?|(?:took|taken) (?:\w+ ){0,3}"
    r"(?:pills|tablets|paracetamol|them)|(?:i|he|she|they|we|baby|mum|mom|dad|wife|husband|son|daughter|friend|"
    r"mother|"
    r"father|brother|sister|old|partner|child|toddler|nan|gran) (?:is|has|am|have|cannot|took|swallowed|drank|cut|"
    r"will not|feels?)) "
)
"""That something happens now, whatever the message is about."""
