"""Stop words: short lists, as frequent words have low weights anyway."""

_STOP_WORD_TEXTS = {
    "en": """
        a able about above accord according account across act actually add added adding adds after again against
        ago all allow allowed almost along already also although always am among an and announced another any anyone
        anything apart appear appeared are aren around as asked at away back bad be became because become been
        before began begin begins behind being below between big both bring brought but by called came can cannot
        certain change clear come comes coming continue continued could couldn day days deal did didn differ
        differed difference different differently do does doesn doing don done down during each early either else
        end ended enough especially even ever every exactly expect expected explain explained explains fact far feel
        felt few first following for found friday from full further gave general generally get gets getting give
        given go goes going good got had hadn happen happened happening happens hard has hasn have haven having he
        help her here hers herself high him himself his hope hoped how however i idea if important in include
        included includes including instead into involved is isn issue it its itself job just keep kind know known
        large last late later least leave left less let level like likely little live ll long look lot made main
        make makes making many matter may maybe me mean means meanwhile might mine monday more most move moved mr
        mrs ms much must my myself near need never new next no none nor not nothing now of off often old on once one
        only onto or order other others our ours out over own part particular people per perhaps person place plan
        planned point possible problem put question quite rather re really reason recent recently remain report
        reported reportedly result return right run said same saturday saw say saying says second see seen sense set
        several shall she should shouldn show showed shown side simply since small so some something soon sort spoke
        spokesman spokeswoman stand start started statement stay step still stop such sunday sure take taken talk
        tell tells than thank that the their theirs them themselves then there therefore these they thing things
        think this those though thought three through thursday thus time to today together told too took toward
        towards tried try trying tuesday turn turned two under understand until up upon us use used usually ve very
        via view wait want wants was wasn way we wednesday week well went were weren what whatever when whenever
        where wherever whether which while who whole whom whose why will with within without won word would wouldn
        write wrong wrote year years yes yesterday yet you your yours
    """,
    "de": """
        ab aber alle allem allen aller alles als also am an andere anderen anderer anderes auch auf aus bei beim
        beispiel bekannt bereits berichtet berichtete betonte bis bisher da dabei dadurch dafür dagegen daher damit
        danach dann daran darauf darf darin darüber das dass dazu dem den denen denn dennoch der deren des deshalb
        dessen die dies diese diesem diesen dieser dieses doch dort du durch dürfen ebenfalls eigentlich ein eine
        einem einen einer eines einige einmal ende er erklärt erklärte erst erste ersten es etwa etwas euch fall
        fest frage für ganz ganze ganzen gar gegen gegenüber genau gibt ging gleich groß große großen großer grund
        gut gute guten habe haben hat hatte hatten heute hier hin hinter hält ich ihm ihn ihnen ihr ihre ihrem ihren
        ihrer im immer in indem ins inzwischen ist ja jahr jahre jahren je jede jedem jeden jeder jedes jedoch jetzt
        kann kaum kein keine keinem keinen keiner klar kommen kommt konnte kurz könne können könnte lange lassen
        laut letzte letzten leute liegt machen macht mal man mehr mehrere mein meine mit mitteilte muss möglich
        müsse müssen nach nachdem neben neue neuen nicht nichts noch nun nur nämlich ob oder ohne rund sagen sagt
        sagte schließlich schon sehen sehr sei seien sein seine seinem seinen seiner seit selbst sich sicher sie
        sieht sind so sogar sogenannte solche soll sollen sollte sondern soweit sowie später statt stehen steht tag
        teil teilte trotz uhr um und uns unser unsere unter vergangenen viel viele vielen vom von vor vorher völlig
        war waren warum was weg weil weiter weitere weiteren weiß welche wenig wenn wer werde werden wie wieder will
        wir wird wissen wo wohl worden worte wurde wurden würde würden ziel zu zudem zum zunächst zur zurück zuvor
        zwar zwei zwischen über
    """,
    "fr": """
        affirme affirmé afin ai ainsi ajoute ajouté alors an annoncé ans après assure assuré au aucun aucune aujourd
        auquel aussi autour autre autres aux avaient avait avant avec avoir ayant beau beaucoup bien bon bonne car
        cas ce ceci cela celle celles celui cependant certaines certains ces cet cette ceux chaque chez chose comme
        comment contre cours côté dans de depuis dernier dernière des deux devant dire dit doit donc dont du déclaré
        déjà effet elle elles en encore enfin ensuite entre est estime estimé et eu eux exemple explique expliqué
        face faire fait falloir faut façon fin fois font gens grand grande grands hui ici il ils indiqué jamais jour
        jours jusqu jusque la le les leur leurs lieu loin long lors lorsque lui ma mais mal manière me mes mettre
        mise moi moins mois mon monde même mêmes ne ni non nos notre nous nouveau nouveaux nouvel nouvelle nouvelles
        on ont or ou où par parce part partie pas pendant petit petite peu peut peuvent place plus plusieurs plutôt
        point pour pourquoi pourrait premier première prendre prochain près précisé puis puisque qu quand que quel
        quelle quelles quelque quelques quels question qui quoi raison rappelé reste rien sa sans savoir se selon
        sera seront ses seul seule si simple soit son sont sous suite sur surtout ta tandis te tel telle temps tenu
        tes toi ton toujours tous tout toute toutes trop trouve très tu tête un une va vers veut vie voilà voir vont
        vos votre vouloir vous y ça étaient était étant été être
    """,
    "es": """
        a además afirma afirmó agregó ahora al algo alguna algunas alguno algunos algún ante anterior antes apenas
        aquel aquella aseguró así aunque añadió año años aún bajo bien cada casi caso casos como con conocer contra
        cosa cosas cual cualquier cuando cuenta cuyo cuándo cómo dar de debe deben decir declaró dejar del demás
        dentro desde después dice diferentes dijo distintos donde dos durante día días dónde e ejemplo el ella ellas
        ello ellos embargo en entonces entre era eran es esa esas ese eso esos esta estaba estas este esto estos
        está están explica explicó fin forma fue fueron general gente gran grande grandes ha haber había habían hace
        hacer hacerlo hacia han hasta hay hizo hoy incluso indicó junto la largo las le les llegar llevar lo los
        luego lugar manera me mejor menos mes meses mi mientras mis misma mismo momento mucha mucho muchos mundo muy
        más nada ni no nos nosotros nuestra nuestro nueva nuevas nuevo nuevos nunca o otra otras otro otros para
        parte pasado pero persona personas poco poder podría poner por porque primer primera propio próximo puede
        pueden pues punto que quien quiere quién qué recordó resto saber se sea según ser será señaló si sido
        siempre siguiente sin sino sobre solo son su sus sí sólo tal también tan tanto te tema tener tenía tiempo
        tiene tienen tipo toda todas todavía todo todos tomar total tras tu tú un una unas uno unos usted va van
        veces ver vez vida y ya yo él última último últimos única único
    """,
    "it": """
        a abbiamo ad affermato aggiunto agli ai al alla alle allo allora altra altre altri altro anche ancora anni
        anno avere aveva base ben bene c casi caso certo che chi ci circa ciò come con contro cosa cose così cui da
        dagli dai dal dalla dalle dallo dare degli dei del della delle dello dentro detto deve di dice dichiarato
        dire diverse diversi dopo dove due durante e ecco ed era erano esempio essere fa fare fatto fine fino forma
        fra gente giorni giorno già giù gli grande grandi grazie ha hanno ho i il in infatti inoltre insieme intanto
        invece io l la le lei lo loro lui lungo là ma mai me meno mentre mesi metà mezzo mi modo molto momento mondo
        ne negli nei nel nella nelle nello nessuno no noi non nostra nostro nuova nuove nuovi nuovo o oggi ogni
        ognuno oltre oppure ora parte particolare per perché persona persone però piccolo più poco poi possibile
        possono posto prima primo proprio prossimo pur può qualche quale quali quando quanto quasi quella quelle
        quelli quello questa queste questi questo qui quindi resto sapere sarà scorso se secondo sei sempre senza si
        sia siamo solo sono sopra soprattutto sotto spiega spiegato stata stati stato stessa stesso su sua subito
        sue sugli sui sul sulla sulle suo suoi tale tanto tempo tipo tra tre trovare tutta tutte tutti tutto ultima
        ultime ultimi ultimo un una unico uno uso va vari vedere vero vi via vita volta volte è
    """,
    "pt": """
        a acordo acrescentou afirma afirmou ainda algo algum alguma alguns além ano anos antes ao aos apenas após
        aquela aquele aqui as assim até bem cada caso casos cerca coisa coisas com como contra da das de declarou
        dela dele deles depois desde dessa desse desta deste deve devem dia dias disse diz dizer do dois dos durante
        e ela elas ele eles em enquanto entre então era eram essa esse esta estava este está estão eu exemplo
        explica explicou falar faz fazer fim final foi foram forma gente geral grande grandes haver hoje há início
        isso isto já la lado lhe lo logo longo lugar maior mais maneira mas me medida meio melhor menos meses mesmo
        meu minha momento muito muitos mundo mês na nada nas nem nessa nesse nesta neste no nos nossa nosso nova
        novas novo novos num numa nunca não nós o onde os ou outra outras outro outros para parte passado pela pelas
        pelo pelos pessoa pessoas pode podem poder poderia ponto por porque porém possível pouco primeira primeiro
        próprio próximo qual quando quanto que quem quer resto se seguinte seguir segunda segundo seja sem sempre
        ser será seu seus sido sim sob sobre sua suas são só tal também tem tempo ter teve tinha tipo toda todas
        todo todos tomar total três tudo têm um uma umas uns vai ver vez vezes vida você à às é última últimas
        último últimos único
    """,
    "nl": """
        aan achter al aldus alle alleen alles als altijd ander andere anderen anders bekend ben beter bij bijna
        bijvoorbeeld blijft blijven daar daarna daarom dag dan dat de deel deze die dit doch doen doet door dus
        echter een eens eerder eerste eigen eigenlijk eind elk elke en er ervan gaan gaat geeft geen gemaakt genoeg
        ging goed goede groot grote haar had hadden heb hebben heeft hele hem hen het hier hij hoe hun iedereen iets
        ik in is ja jaar jaren je kan kans keer kijken klein komen komt kon konden krijgen kunnen laat laatste lang
        langer leven liet ligt maakt maar maken manier meer meeste mensen met mij mijn moet moeten mogelijk na naar
        nadat namelijk nemen net niemand niet niets nieuw nieuwe niks nog nooit nu of om omdat onder ongeveer ons
        onze ook op over pas per plaats rest samen sinds snel soms staan staat steeds stellen stelt te tegen ten
        terug tijd tijdens toch toen tot tussen twee uit vaak van vanaf vandaag veel verder vertelt vinden vindt
        volgende volgens voor vooral waar waarom wanneer want waren was wat weer weet weg wel welke werd werden
        wereld werken weten wie wij wil wilde worden wordt zaak zal ze zeer zeggen zegt zei zelf zich zien ziet zij
        zijn zo zoals zonder zou zouden zowel
    """,
    "sv": """
        alla allt alltså andra annat att av bara behöver berättar bland blev bli blir bra bästa både dag de del dem
        den denna deras dess dessa dessutom det detta dig din dock du där efter eller en enligt ens ett exempel fall
        fast fick finns fler flera fram från få får fått för före första ge ger gick gjorde gjort går gör göra ha
        hade han hans har hela helt henne hennes hon honom hur här håller i icke igen in inför ingen ingenting innan
        inom inte ja jag just kan kanske kommer kunde kunna kunnat känner lite liv länge läs man med medan mellan
        men mer mest mig min minst mot mycket många måste ned nog nu ny nya när nästan någon något några och också
        olika om oss plats precis på redan rätt sade saker samma samt sedan sen senare senaste ser sig sin sina sitt
        själv ska skall skriver skulle som stor stora säga säger sätt så sådan ta tar tid tidigare till tog tror
        trots två tycker under upp uppge uppger ut utan vad var vara varit vem vet vi vid vilken vill ville visar
        vissa väl än är även åka år åt
    """,
    "da": """
        ad af alle allerede alt altid anden andet andre at bare bedre begge blev blive bliver bør da dag de dem den
        denne der deres derfor desuden det dette dig din disse dog du efter egentlig eller ellers en end endnu enten
        er et faktisk fald fik flere fleste for fordi fortæller fra fremover få får før først første gennem gerne
        gjort god godt gå går gør ham han hans har havde hele helt hendes her hun hvad hver hvert hvilken hvis hvor
        hvordan i ifølge igen igennem ikke ind ingen især jeg kan kom kommer kun kunne lang langt lave lidt lige
        ligger liv man mange med meget mellem men mener mennesker mere mig min mindre mod må måske måtte ned netop
        nogen noget nogle nu ny nye når næste ofte og også om omkring op oplyser os over par plads præcis på rundt
        sagde samme samtidig se selv seneste ser siden sidste sig siger sin sine skal skulle små som stadig sted
        stor store står så tage tid til ting to tre tror ud uden under var ved vej vel verden vi vil ville viser
        vist vores være været år
    """,
    "no": """
        alle allerede alltid andre annet at av bare bedre blant ble bli blir bør da dag de dem den denne der deres
        derfor dersom dessuten det dette disse du egen egentlig eller ellers en enda enn er et etter faktisk fikk
        flere fleste for fordi forteller fra fram få får før først første gang ganger gikk gjennom gjerne gjort gjør
        god godt gå går ha hadde han hans har hele helt henne hennes her hun hva hver hvert hvis hvor hvordan i
        ifølge ikke ingen inn jeg kan kanskje kom kommer kunne lage lang langt ligger litt liv man mange med meg
        meget mellom men mener mennesker mer min mindre mot må måte ned neste nettopp noe noen nok ny nye nå når
        ofte og også om omkring opp opplyser oss over par plass på rundt sa samme samtidig se seg selv seneste ser
        siden sier sin sine siste skal skulle små som sted stor store står så ta tar tid til ting to tror under ut
        uten var ved vei vel verden vi vil ville viser vår være vært år
    """,
    "pl": """
        a aby ale ani aż bardziej bardzo bez blisko bo by być był była było były będzie będą całe cały chce chociaż
        ci co coraz coś czasie czasu czy czyli często części człowiek dla dlaczego dlatego do dobrze dodaje dodał
        dopiero dość duże duży dwa dzień fakt gdy gdyby gdzie gdzieś go i ich ile im inne innego inny innych innymi
        ja jak jakby jakie jako jeden jedna jednak jednego jedno jednym jego jej jest jestem jeszcze jeśli jeżeli
        już każdego każdy kiedy kilka kolei koniec kto która które którego której który których którym którzy którą
        lat lata lub ludzi ludzie ma mają mam mi miał miała miejsce mieć mimo mnie mogą moim może można musi my
        myśli mógł mówi mówił na nad nadal najbardziej nam nami naprawdę nas nasz nasze nawet nic nich nie niego
        niej niemal nigdy nim niż no nowe nowy o obecnie od około on ona one oni oraz ostatnio pan pierwszy po pod
        podczas podkreśla pomoc ponad ponieważ powiedział powiedziała poza prawie problem prostu przecież przed
        przede przez przy przykład raz razem razy rok roku również siebie się sobie sposób stronie swego swoje swoją
        swój są ta tak taka taki takie także tam te tego tej ten teraz też to trzeba tu tych tylko tym tłumaczy w
        wciąż we według wiele więc wobec wszystkich wszystko wtedy właśnie wśród z za zawsze ze znowu został została
        zostały świecie że żeby życia
    """,
    "ru": """
        а без более будет будут был была были было быстро быть в вам вас ведь весь вместе во вообще вот вполне время
        все всегда всего всех всю вы где говорил говорит говорить год года году да даже данный два деле дело для до
        добавил должен должна должны друг другие других думать его ее если есть еще ещё её же жизни жизнь за заявил
        заявила здесь знать и из или им имеет именно иметь их к каждый как какие какого какой когда конечно которая
        которого которое которую которые который которым которых кто ли либо лишь лучше людей люди между меня место
        мире много могут может можно мой моя мы на над надо называть наконец нам например нас не него нее ней нет ни
        никогда них но нового новые новый ну нужно о об образом один однако одного одной около он она они оно
        особенно от отметил отметила очень перед по под пока получить после последние последний потом потому почему
        почти при про просто пусть работы ради раз рассказал рассказала с сам своего своей своих сделать себе себя
        сегодня сейчас сказал сказала слова снова со совсем сообщает сообщил сообщили сразу среди стал стала стали
        старый стоит сторон считает так также такие таким такое такой там тем теперь тех то тогда того тоже только
        том тот точно у уверен удалось уже хорошо хотел хотя хочет часто чего человек чем через что чтобы эта эти
        это этого этой этом этот эту я является
    """,
    "tr": """
        acaba alan aldı altı altında ama ancak anda anlattı arada arasında artık aslında aynı ayrı ayrıca az
        açıkladı bana bazen bazı başka belirten belirtti belki ben beni benim bile bir biraz biri birkaç birlikte
        birçok biten biz bu bugün bulunan buna bunda bundan bunlar bunu bunun burada böyle bütün büyük da daha de
        dedi değil diye diğer dolayı durum durumda eden ederek edilen en etmek etti ettiği geldi gelen genel gerek
        geri geçen gibi göre gün hakkında halde hale hali hangi hem henüz hep hepsi her hiç ifade iki ile ilgili ilk
        ise istedi itibaren için içinde içindeki işte kadar karşı kaydetti kendi ki kim kimse kişi kişiler konuşan
        konuştu küçük kısa mi mu mutlaka mü mı nasıl ne neden nerede niye o olacak olan olarak oldu olduğu olduğunu
        olma olmadığını olmak olması olmayan olsa olsun olup olur ona onlar onu onun orta ortaya oysa pek rağmen
        saat sadece sahip sanki siz son sonra sonunda söyledi söyleyen süre tam tamamen tarafından tek tüm türlü
        uzun var vardı ve verdi veren veya ya yani yapan yaptı yaptığı yapılan yeni yer yerde yerine yine yok
        yönelik yüksek yıl zaman zaten çok çünkü önce öyle özellikle üst üzere şekilde şey şu şöyle
    """,
    "id": """
        acara ada adalah adanya agar akan akhir akhirnya akibat anda antara apa apabila atas atau bagaimana bagi
        bahkan bahwa baik banyak baru beberapa begitu belakangan belum benar berada berbagai berikut bersama besar
        biasa bila bisa bukan cara cukup dalam dan dapat dari demikian dengan di dia dilakukan diri disebut dua hal
        hampir hanya hari harus hingga ia ikut ini itu jadi jangan jelas jelasnya jika juga kalau kali kami karena
        kata katanya ke kecil kembali kemudian kepada ketika kini kita kurang lagi lain lalu lama langsung lanjut
        lebih maka masih masing maupun melakukan melalui memang memberikan membuat memiliki mengatakan menjadi
        menurut menyebutkan mereka mulai mungkin namun nanti nya oleh orang pada para pernah pertama pihak pun saat
        saja salah saling sama sampai sangat saya sebab sebagai sebagian sebelum sebelumnya sebuah secara sedang
        sehingga sejak sekarang sekitar selain selama semua sendiri seorang seperti sering serta setelah siap suatu
        sudah supaya tahun tak telah tempat tentang tentu terhadap terjadi ternyata tersebut terus tetap tetapi tiap
        tidak tinggi tutur tuturnya ujar ujarnya untuk walau ya yaitu yang
    """,
}
STOP_WORDS = {language: frozenset(words.split()) for language, words in _STOP_WORD_TEXTS.items()}
