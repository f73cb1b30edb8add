"""Words that hold a sentence together and are about nothing: short lists, for what is common counts for little."""

_STOP = {
    "en": """
        a about above according after again against ago all almost along already also although always am
        among an and another any anyone anything are around as asked at away back be became because become
        been before began behind being below between both but by called came can cannot come could day days
        did do does doing done down during each either else enough even ever every few first following for
        found from further gave get gets getting give given go goes going good got had has have having he
        her here hers herself him himself his how however i if in instead into is it its itself just keep
        know known last later least left less let like likely little ll long look made make makes making
        many may maybe me mean meanwhile might mine more most mr mrs ms much must my myself near need never
        new next no none nor not nothing now of off often on once one only onto or other others our ours out
        over own part per perhaps put quite rather re really said same saw say saying says see seen several
        shall she should since so some something soon still such take taken than that the their theirs them
        themselves then there therefore these they thing things think this those though three through thus
        time to today together told too took toward towards two under until up upon us use used ve very via
        want wants was way we week well went were what when where whether which while who whole whom whose
        why will with within without would year years yes yesterday yet you your yours monday tuesday
        wednesday thursday friday saturday sunday don isn aren wasn weren doesn didn hasn haven hadn won
        wouldn couldn shouldn
    """,
    "de": """
        ab aber alle allem allen aller alles als also am an andere anderen anderer anderes auch auf aus bei
        beim bereits bis bisher da dabei dadurch dafür dagegen daher damit danach dann daran darauf darf
        darin darüber das dass dazu dem den denen denn dennoch der deren des deshalb dessen die dies diese
        diesem diesen dieser dieses doch dort du durch dürfen ein eine einem einen einer eines einige einmal
        er erst erste ersten es etwa etwas euch für ganz gar gegen gegenüber gibt ging gut habe haben hat
        hatte hatten heute hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in indem
        ins ist ja jahr jahre jahren je jede jedem jeden jeder jedes jedoch jetzt kann kein keine keinem
        keinen keiner kommen kommt könne können könnte konnte lassen machen macht man mehr mein meine mit
        muss müssen nach nachdem neben neue neuen nicht nichts noch nun nur ob oder ohne sagte sagt schon
        sehr sei sein seine seinem seinen seiner seit selbst sich sie sind so sogar solche soll sollen
        sollte sondern sowie statt tag über um und uns unser unsere unter viel viele vielen vom von vor war
        waren warum was weil weiter welche wenig wenn wer werde werden wie wieder will wir wird wo worden
        wurde wurden würde würden zu zum zur zwar zwei zwischen
    """,
    "fr": """
        afin ai ainsi alors an ans après au aucun aucune aujourd auquel aussi autre autres aux avaient avait
        avant avec avoir ayant beaucoup bien ça car ce ceci cela celle celles celui cependant ces cet cette
        ceux chaque chez comme comment contre dans de déjà depuis dernier dernière des deux dit doit donc
        dont du elle elles en encore entre est et étaient était étant été être eu eux fait faire fois font
        hui ici il ils jour jours jusqu jusque la le les leur leurs lors lorsque lui ma mais me même mêmes
        mes moi moins mon ne ni non nos notre nous on ont or ou où par parce pas pendant peu peut peuvent
        plus plusieurs plutôt pour pourquoi pourrait premier première puis qu quand que quel quelle quelles
        quels quelque quelques qui quoi sa sans se selon sera seront ses si soit son sont sous sur ta tandis
        te tel telle tes toi ton toujours tous tout toute toutes très trop tu un une va vers voir vont vos
        votre vous y
    """,
    "es": """
        a además ahora al algo algún alguna algunas alguno algunos ante antes año años aquel aquella así aún
        aunque bajo bien cada casi como cómo con contra cual cuando cuándo de debe del desde después día
        días dice dijo donde dónde dos durante e el él ella ellas ello ellos en entonces entre era eran es
        esa esas ese eso esos esta está estaba están estas este esto estos fue fueron gran ha había habían
        hace hacer hacia han hasta hay hizo hoy incluso la las le les lo los luego más me mejor menos mi
        mientras mis misma mismo mucha mucho muchos muy nada ni no nos nosotros nuestra nuestro o otra otras
        otro otros para parte pero poco por porque primer primera pues puede pueden que qué quien quién se
        según sea ser será si sí sido siempre sin sino sobre solo sólo son su sus también tan tanto te tiene
        tienen toda todas todavía todo todos tras tu tú un una unas uno unos usted va van ya y yo
    """,
    "it": """
        a abbiamo ad agli ai al alla alle allo allora altra altre altri altro anche ancora anni anno aveva
        avere ben c che chi ci ciò come con contro cosa così cui da dagli dai dal dalla dalle dallo degli
        dei del della delle dello dentro deve di dice dopo dove due durante e è ecco ed era erano essere fa
        fare fatto fino fra già gli giorni giorno ha hanno ho i il in infatti invece io l la là le lei lo
        loro lui ma mai me meno mentre mi molto ne negli nei nel nella nelle nello no noi non nostra nostro
        o oggi ogni oltre oppure ora per perché però più poi possono prima primo proprio può qualche quale
        quali quando quanto quasi quella quelle quelli quello questa queste questi questo qui quindi sarà se
        secondo sei sempre senza si sia siamo sono sopra sotto stata stati stato su sua sue sugli sui sul
        sulla sulle suo suoi tra tre tutta tutte tutti tutto un una uno va vi volta
    """,
    "pt": """
        a à ainda além algo algum alguma alguns ano anos antes ao aos apenas após aquela aquele aqui as às
        assim até bem cada com como contra da das de dela dele deles depois desde dessa desse desta deste
        dia dias disse diz do dois dos durante e é ela elas ele eles em enquanto então entre era eram essa
        esse esta está estão estava este eu faz fazer foi foram há hoje isso isto já la lhe lo logo mais mas
        me mesmo meu minha muito muitos na nada não nas nem nessa nesse nesta neste no nos nós nossa nosso
        num numa o onde os ou outra outras outro outros para parte pela pelas pelo pelos pode podem por
        porque pouco primeira primeiro qual quando que quem se segundo seja sem sempre ser será seu seus
        sido sim só sob sobre são sua suas tal também tem têm ter teve tinha toda todas todo todos três tudo
        um uma umas uns vai você
    """,
    "nl": """
        aan achter al alle alleen als altijd ander andere anders ben bij daar daarna dan dat de deze die dit
        doch doen door dus een eens eerste elk elke en er ervan ging geen gaat gaan haar had hadden heb
        hebben heeft hem hen het hier hij hoe hun iets ik in is ja jaar jaren je kan komen komt kon konden
        kunnen laat maar maken maakt meer met mij mijn moet moeten na naar nadat net niet niets nieuwe niks
        nog nooit nu of om omdat onder ons onze ook op over per pas sinds soms te tegen ten terug tijdens
        toch toen tot tussen twee uit van vanaf vandaag veel volgens voor waar waarom wanneer want waren was
        wat weer weg wel welke werd werden wie wij wil worden wordt zal ze zegt zei zich zij zijn zo zoals
        zonder zou zouden zowel
    """,
    "sv": """
        alla allt än är år åt att av bara bli blev blir dag de dem den denna deras dess dessa det detta dig
        din dock du där efter eller en ett fick finns flera fler för före första från få får går göra gör ha
        hade han hans har henne hennes hon honom hur här i icke in inför ingen inom inte innan ja jag kan
        kommer kunde kunna man med medan mellan men mer mig min mot mycket många måste ned någon något några
        när nu ny nya och också om oss på redan sade säger samma sedan ser sig sin sina sitt ska skall
        skulle som så sådan tidigare till två under upp ut utan vad var vara varit vem vi vid vilken vill
    """,
    "da": """
        ad af alle alt anden andet andre at bare begge blev blive bliver da dag de dem den denne der deres
        det dette dig din disse dog du efter eller en end endnu er et få får fik flere for fordi før første
        fra gå går gør ham han hans har havde hele hendes her hun hvad hver hvilken hvis hvor hvordan i igen
        ikke ind ingen jeg kan kom kommer kun kunne lige man mange med meget mellem men mere mig min mod må
        måtte når ned ny nye nogen noget nogle nu og også om op os over på sagde samme se ser siden sig
        siger sin sine skal skulle som stadig så til tre to ud uden under var ved vi vil ville vores være
        været år
    """,
    "no": """
        alle andre at av bare ble bli blir da dag de dem den denne der deres det dette disse du eller en enn
        er et etter få får fikk flere for fordi før første fra gå går gjør ha hadde han hans har hele henne
        hennes her hun hva hver hvis hvor hvordan i ikke inn ingen jeg kan kom kommer kunne man mange med
        meg meget mellom men mer min mot må når ned ny nye noe noen nå og også om opp oss over på sa samme
        se seg ser siden sier sin sine skal skulle som så til to under ut uten var ved vi vil ville være
        vært vår år
    """,
    "pl": """
        a aby ale ani aż bardzo bez bo był była było były by być będzie będą chce ci co coraz coś czy czyli
        dla dlaczego dlatego do dwa dzień gdy gdyby gdzie go i ich ile im inne inny innych ja jak jako jakie
        jednak jednym jego jej jest jestem jeszcze jeśli jeżeli już każdy kiedy kilka kto która które
        którego której który których którym którzy lat lata lub ma mają mam mi może można mnie mógł musi my
        na nad nam nas nasz nawet nic nich nie niego niej nim niż no o od około on ona one oni oraz pan po
        pod podczas ponad ponieważ powiedział poza przed przede przez przy razem rok roku również są się
        sobie swoje swoją swój ta tak także tam te tego tej ten teraz też to tu tych tylko tym w we według
        wiele więc wszystko wszystkich wśród z za ze że żeby
    """,
    "ru": """
        а без более был была были было быть в вам вас ведь весь во вот время все всего всех вы где год года
        году да даже два для до его ее её если есть еще ещё же за здесь и из или им их к как какой когда
        который которая которые которых которого кто ли либо лишь между меня много может можно мы на над
        надо нам нас не него нее ней нет ни них но ну о об один однако он она они оно от очень перед по под
        после потом потому почти при про раз с сам себя сегодня сейчас сказал со так также такой там тем
        теперь то того тоже только том тот у уже хотя чего чем через что чтобы эта эти это этого этой этом
        этот я
    """,
    "tr": """
        acaba ama ancak artık aslında az bana başka bazı belki ben beni benim bile bir biraz birçok biri
        birkaç birlikte biz bu buna bunda bundan bunlar bunu bunun burada büyük böyle çok çünkü da daha de
        değil dedi diğer diye dolayı en gibi göre hem hep hepsi her hiç için iki ile ilgili ilk ise işte
        kadar karşı kendi ki kim kimse mi mı mu mü nasıl ne neden nerede niye o olan olarak oldu olduğu
        olduğunu olma olmak olmayan olsun olur ona onlar onu onun oysa öyle önce sadece sanki şey siz son
        sonra şu tarafından tüm üzere var ve veya ya yani yapılan yeni yıl yine yok zaman
    """,
    "id": """
        ada adalah agar akan akibat anda antara apa atas atau bagi bahwa banyak baru beberapa belum berada
        bisa bukan dalam dan dapat dari dengan di dia dua hal hanya hari harus hingga ia ini itu jadi jika
        juga kami karena kata ke kembali kepada ketika kita lagi lain lalu lebih masih mereka namun oleh
        orang pada para pun saat saja salah sama sampai sangat saya sebagai sebelum sebuah secara sedang
        sehingga sejak sekarang selain semua seorang seperti serta setelah suatu sudah tahun telah tentang
        terhadap tersebut tetapi tidak untuk yaitu yang
    """,
}
STOP_WORDS = {language: frozenset(words.split()) for language, words in _STOP.items()}
